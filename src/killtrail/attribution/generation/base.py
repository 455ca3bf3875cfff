"""Types for how a signal was generated."""

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
    """The role of `current`."""

    SENDER = "sender"
    """It made the call that sent this signal."""
    SELF = "self"
    """It is the target and caused the signal itself."""
    TRIGGER = "trigger"
    """Its exit or act caused the signal without intent."""
    BYSTANDER = "bystander"
    """It was only running at that moment."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One signal explained. `shown_by` is the phrase for the evidence line."""

    mechanism: Mechanism | None
    actor: Actor
    certainty: Certainty
    shown_by: str
