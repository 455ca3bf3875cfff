"""Where a launch chain starts: cron job, at job, login session, unit, container, init, kernel."""

from typing import Final

from killtrail.model.cgroup_path import container_of, login_session_of, unit_of
from killtrail.model.events import LoginSeen
from killtrail.model.process import NO_ID, Process
from killtrail.model.verdict import Ancestor, Edge, Origin, OriginKind

_CRON: Final = frozenset({"cron", "crond", "CRON", "fcron", "anacron", "busybox-cron"})
_AT: Final = frozenset({"atd"})
_LOGIN: Final = frozenset(
    {"sshd", "sshd-session", "login", "agetty", "gdm-session-wor", "lightdm", "su"}
)


def of(
    head: Process, ancestry: tuple[Ancestor, ...], login: LoginSeen | None = None
) -> Origin | None:
    """The origin of the process with this ancestry, None without any indication."""
    chain = [head, *(a.process for a in ancestry if a.edge is not Edge.REAPER)]
    found = _of(head, chain)
    if login is None:
        return found
    service = (login.process.exe or login.process.comm or "").rsplit("/", 1)[-1]
    kind = OriginKind.LOGIN_SESSION
    if service in _CRON or service in _AT:
        kind = OriginKind.CRON if service in _CRON else OriginKind.AT
    if found is not None and found.kind not in (OriginKind.LOGIN_SESSION, kind):
        return found
    known = found.name if found else None
    name = known if service == "sudo" else login.command or known
    return Origin(kind, name, login.process.loginuid, login.came_from, login.process.login_user)


def _of(head: Process, chain: list[Process]) -> Origin | None:
    return (
        _job(chain, _CRON, OriginKind.CRON)
        or _job(chain, _AT, OriginKind.AT)
        or _container(head)
        or _session(chain)
        or _unit(head)
        or _kernel(head)
        or _init(chain)
    )


def _job(chain: list[Process], daemons: frozenset[str], kind: OriginKind) -> Origin | None:
    daemon = next((i for i, p in enumerate(chain) if p.comm in daemons), None)
    if not daemon:
        return None
    # The daemon forks a child of its own name, which runs the job's shell.
    job = chain[daemon - 1]
    words = job.argv.words if job.argv and not job.argv.inherited else ()
    text = words[words.index("-c") + 1] if "-c" in words[:-1] else " ".join(words)
    return Origin(kind, text or job.comm, job.uid, user=job.user)


def _container(head: Process) -> Origin | None:
    if head.pid == 1:
        return Origin(OriginKind.INIT, head.comm)
    container = container_of(head.cgroup)
    return Origin(OriginKind.CONTAINER, container) if container else None


def _session(chain: list[Process]) -> Origin | None:
    head = chain[0]
    logind = login_session_of(head.cgroup)
    audited = head.session if head.session not in (None, NO_ID) else None
    has_login = any(p.comm in _LOGIN for p in chain)
    if logind is None and audited is None and not has_login:
        return None
    user = head.loginuid if head.loginuid not in (None, NO_ID) else None
    name = logind or (str(audited) if audited is not None else None)
    return Origin(OriginKind.LOGIN_SESSION, name, user, user=head.login_user)


def _unit(head: Process) -> Origin | None:
    unit = unit_of(head.cgroup)
    return Origin(OriginKind.SYSTEMD_UNIT, unit) if unit else None


def _kernel(head: Process) -> Origin | None:
    return Origin(OriginKind.KERNEL, head.comm) if head.kthread else None


def _init(chain: list[Process]) -> Origin | None:
    last = chain[-1]
    if last.pid != 1:
        return None
    return Origin(OriginKind.INIT, last.comm)
