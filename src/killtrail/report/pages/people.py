"""How pages name processes and accounts."""

from killtrail.model.process import NO_ID, Process
from killtrail.report.escape import shell_words

_ARGV_MOST = 240


def who(p: Process, *, command: bool = True) -> str:
    """`sh (pid 7, root (0)): sh -c 'kill 9'`, with the login user where that is another."""
    if p.pid == 0 and p.comm:
        return f"the main process of {p.comm}"
    notes = [f"pid {p.pid}"]
    if p.uid is not None:
        notes.append(account(p.uid, p.user))
    elif p.user:
        notes.append(p.user)
    if p.loginuid not in (None, NO_ID, p.uid) and p.loginuid is not None:
        notes.append(f"logged in as {account(p.loginuid, p.login_user)}")
    if p.ns_pid not in (None, p.pid):
        notes.append(f"pid {p.ns_pid} in its namespace")
    text = f"{p.comm or 'process'} ({', '.join(notes)})"
    if command and p.argv:
        text += f": {argv(p)}"
    elif command and p.exe:
        text += f": {p.exe}"
    return text


def account(uid: int, name: str | None) -> str:
    """`root (0)`: a user's name beside its number, the number alone where no name was recorded."""
    return f"{name} ({uid})" if name else f"uid {uid}"


def argv(p: Process) -> str:
    """The command line, and what is not quite true about it."""
    if p.argv is None:
        return "?"
    text = shell_words(p.argv.words) + ("…" if p.argv.cut else "")
    if len(text) > _ARGV_MOST:
        text = text[: _ARGV_MOST - 1] + "…"
    return text + ("  [its parent's: it never called exec]" if p.argv.inherited else "")
