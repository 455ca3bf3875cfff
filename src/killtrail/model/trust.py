"""What a host says of itself, held against independent views: one check per statement."""

from enum import StrEnum

from killtrail._slotted import dataclass


class Result(StrEnum):
    """The result of a check. There is no *clean*: agreeing views prove only that they agree."""

    CONSISTENT = "consistent"
    CONTRADICTED = "contradicted"
    NOT_CHECKABLE = "not-checkable"


class CheckId(StrEnum):
    """The checks of the contract."""

    TOOL_BEHAVIOUR = "tool-behaviour"
    TOOL_EXECUTES = "tool-executes"
    PACKAGE_DIGEST = "package-digest"
    DISPLACED = "displaced-original"
    ELF_SHAPE = "elf-shape"
    SIGNED_CHAIN = "signed-chain"
    HIDDEN_PROCESS = "hidden-process"
    HIDDEN_SOCKET = "hidden-socket"
    PROC_MOUNT = "proc-mount"
    PRELOAD = "preload"
    KTHREAD_POSER = "kthread-poser"
    KNOWN_PATH = "known-path"
    KERNEL = "kernel"


class Layer(StrEnum):
    """The layers of a host that answer questions about it."""

    TOOLS = "tools"
    LIBC = "libc"
    KERNEL = "kernel"


@dataclass(frozen=True, slots=True)
class Check:
    """One statement put to the test: what it was about, what spoke for or against it, what follows."""

    id: CheckId
    subject: str
    result: Result
    by: str
    says: str
    consequence: str | None = None
    moved_to: str | None = None
    layer: Layer | None = None
    """The layer that it concerns; None: it is context only."""

    @property
    def off(self) -> bool:
        """Whether something contradicts it."""
        return self.result is Result.CONTRADICTED


@dataclass(frozen=True, slots=True)
class Distrust:
    """A finding that lowers what this host says of itself, on the layer that it concerns."""

    layer: Layer
    says: str


@dataclass(frozen=True, slots=True)
class TrustReport:
    """All checks on one host or its files; `root` None: on a record of a tool's run."""

    checks: tuple[Check, ...]
    root: str | None = None

    def layer(self, layer: Layer) -> Result:
        """Contradicted if one of its checks is, consistent if one could be made and none is."""
        results = {check.result for check in self.checks if check.layer is layer}
        if Result.CONTRADICTED in results:
            return Result.CONTRADICTED
        return Result.CONSISTENT if Result.CONSISTENT in results else Result.NOT_CHECKABLE

    @property
    def found(self) -> bool:
        """Whether any check found something."""
        return any(check.off for check in self.checks)
