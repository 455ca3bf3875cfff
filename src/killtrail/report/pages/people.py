"""How pages name processes and accounts."""

from collections.abc import Iterator

from killtrail.model.process import NO_ID, Process, is_init, without_pid
from killtrail.model.text import shell_words, shortened

_ARGV_MOST = 240


def who(p: Process, *, command: bool = True, user: bool = True) -> str:
    """`sh (pid 7, root (0)): sh -c 'kill 9'`, with the login user where that is another."""
    unnumbered = without_pid(p)
    if unnumbered:
        return unnumbered
    notes = [f"pid {p.pid}"]
    if user:
        notes += _accounts(p)
    if p.ns_pid not in (None, p.pid):
        notes.append(f"pid {p.ns_pid} in its namespace")
    text = f"{p.comm or 'process'} ({', '.join(notes)})"
    if not command or is_init(p):
        return text
    if p.argv:
        text += f": {argv(p)}"
    elif p.exe:
        text += f": {p.exe}"
    return text


def _accounts(p: Process) -> Iterator[str]:
    if p.uid is not None:
        yield account(p.uid, p.user)
    elif p.user:
        yield p.user
    if p.loginuid not in (None, NO_ID, p.uid) and p.loginuid is not None:
        yield f"logged in as {account(p.loginuid, p.login_user)}"


def account(uid: int, name: str | None) -> str:
    """`root (0)`: a user's name beside its number, the number alone where no name was recorded."""
    return f"{name} ({uid})" if name else f"uid {uid}"


def argv(p: Process) -> str:
    """The command line, and what is not quite true about it."""
    if p.argv is None:
        return "?"
    text = shell_words(p.argv.words) + ("…" if p.argv.cut else "")
    text = shortened(text, _ARGV_MOST)
    return text + (
        "  [its parent's command line: it did not call exec]" if p.argv.inherited else ""
    )
