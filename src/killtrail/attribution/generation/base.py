"""The words for how a signal came about."""

from enum import StrEnum
from typing import Final

from killtrail._slotted import dataclass
from killtrail.model.causes import Mechanism
from killtrail.model.certainty import Certainty

SENDING_CALLS: Final = {
    "kill": Mechanism.KILL,
    "tkill": Mechanism.TKILL,
    "tgkill": Mechanism.TGKILL,
    "rt_sigqueueinfo": Mechanism.RT_SIGQUEUEINFO,
    "rt_tgsigqueueinfo": Mechanism.RT_TGSIGQUEUEINFO,
    "pidfd_send_signal": Mechanism.PIDFD_SEND_SIGNAL,
}


class Actor(StrEnum):
    """What `current` was in it."""

    SENDER = "sender"
    """It asked the kernel for this signal."""
    SELF = "self"
    """It is the target and brought it on itself."""
    TRIGGER = "trigger"
    """Its own end or act set it off, without that being its aim."""
    BYSTANDER = "bystander"
    """It only happened to run."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One signal explained. `shown_by` is the phrase for the evidence line."""

    mechanism: Mechanism | None
    actor: Actor
    certainty: Certainty
    shown_by: str
