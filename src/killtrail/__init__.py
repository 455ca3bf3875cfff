"""killtrail: who killed a process, how, and who started the killer.

    for verdict in killtrail.why("nginx.service", since="1 h ago"):
        print(killtrail.page(verdict).text())

Names are imported when they are first used, so that `import killtrail` costs nothing.
"""

__version__ = "0.1.0"

__all__ = [
    "Absence",
    "Cause",
    "Certainty",
    "Evidence",
    "IncompleteError",
    "KilltrailError",
    "Link",
    "Mechanism",
    "NoSuchDeathError",
    "Process",
    "Role",
    "UnavailableError",
    "UsageError",
    "Verdict",
    "__version__",
    "check_host",
    "deaths",
    "page",
    "read_dump",
    "watch",
    "why",
]

# As in typing, whose import costs more than all of this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from killtrail.api import check_host, deaths, page, read_dump, watch, why
    from killtrail.errors import (
        IncompleteError,
        KilltrailError,
        NoSuchDeathError,
        UnavailableError,
        UsageError,
    )
    from killtrail.model.absence import Absence
    from killtrail.model.causes import Cause, Mechanism, Role
    from killtrail.model.certainty import Certainty
    from killtrail.model.process import Process
    from killtrail.model.verdict import Evidence, Link, Verdict

_HOMES = {
    "api": ("check_host", "deaths", "page", "read_dump", "watch", "why"),
    "errors": (
        "IncompleteError",
        "KilltrailError",
        "NoSuchDeathError",
        "UnavailableError",
        "UsageError",
    ),
    "model.absence": ("Absence",),
    "model.causes": ("Cause", "Mechanism", "Role"),
    "model.certainty": ("Certainty",),
    "model.process": ("Process",),
    "model.verdict": ("Evidence", "Link", "Verdict"),
}


def __getattr__(name: str) -> object:
    """A public name, from the module that it is defined in (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            from importlib import import_module  # noqa: PLC0415

            value: object = getattr(import_module(f"{__name__}.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Public names, those not yet imported too."""
    return sorted({*globals(), *__all__})
