"""Units, sessions and containers, read off a cgroup path.

systemd names the folders: cgroup path = unit (systemd.resource-control(5), the documentation of
control group APIs); container runtimes put the container's id (64 hex digits) into theirs.
"""

import re
from typing import Final

# Text, compiled (and kept by re) at the first use: files of logs hardly have cgroups.
_CONTAINER: Final = r"(?:(?P<runtime>docker|libpod|crio|cri-containerd|containerd|nerdctl)[-/:])?(?P<id>[0-9a-f]{64})(?:\.scope)?$"
_UNIT: Final = r"\.(?:service|scope|slice|mount|socket|swap)$"
_SESSION: Final = r"^session-(?P<id>[^.]+)\.scope$"
_APP: Final = r"app-(?:(?:gnome|kde|flatpak|dbus|xfce|sway|niri|Hyprland)-)?(?P<app>.+?)(?:@[^.]*|-[0-9a-f]+)?\.(?:scope|service)$"
_ESCAPE: Final = r"\\x([0-9a-f]{2})"


def unit_of(cgroup: str | None) -> str | None:
    """The innermost service or scope of a path; None without one.

    A slice is a unit too, but does not identify the program in it.
    """
    name = unit_argument(cgroup)
    return None if name is None else re.sub(_ESCAPE, lambda m: chr(int(m[1], 16)), name)


def unit_argument(cgroup: str | None) -> str | None:
    """The same unit as systemctl(1) takes it: characters escaped as in the path."""
    for part in reversed((cgroup or "").split("/")):
        if part.endswith((".service", ".scope")) and re.search(_UNIT, part):
            return part
    return None


def apps_of(unit: str) -> tuple[str, ...]:
    """Names of the program inside a scope or service that a desktop or tmux made for it.

    `app-gnome-org.mozilla.firefox-2211.scope` gives `org.mozilla.firefox` and `firefox`
    (systemd's "Desktop Environment Integration" page), `tmux-spawn-UUID.scope` gives `tmux`.
    """
    if unit.startswith("tmux-spawn-"):
        return ("tmux",)
    found = re.match(_APP, unit)
    if found is None:
        return ()
    name = found["app"]
    return (name, name.rsplit(".", 1)[-1])


def container_of(cgroup: str | None) -> str | None:
    """The container's id, with the runtime if the path shows it: `docker:0123...`."""
    for part in reversed((cgroup or "").split("/")):
        found = re.search(_CONTAINER, part)
        if found:
            runtime = found["runtime"]
            return f"{runtime}:{found['id']}" if runtime else found["id"]
    return None


def login_session_of(cgroup: str | None) -> str | None:
    """The logind session id in `session-N.scope`."""
    for part in (cgroup or "").split("/"):
        found = re.match(_SESSION, part)
        if found:
            return found["id"]
    return None
