"""What `trust` found against this host's own word: it stands with every verdict on this host."""

from killtrail.model.trust import Distrust
from killtrail.recorder.history import paths
from killtrail.trust import last_run


def of_this_host() -> tuple[Distrust, ...]:
    """Findings of the last `killtrail trust`, and what is cheap to see now."""
    return tuple(Distrust(layer, says) for layer, says in last_run.doubts(paths.folder()))
