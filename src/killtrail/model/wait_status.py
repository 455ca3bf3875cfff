"""Wait statuses, as wait(2) and the kernel's task_struct.exit_code hold them."""

from typing import Self

_SIGNAL = 0x7F
_CORE = 0x80
_CODE = 0xFF
_SHELL_OFFSET = 128


class WaitStatus(int):
    """How a process or thread went: by exit with a code, or by a signal.

    Underneath it is the kernel's own number, so it prints, compares and is kept as one: the signal in
    the low seven bits, 0x80 where a core was dumped, the exit code in the second byte.
    """

    __slots__ = ()

    @classmethod
    def of_signal(cls, sig: int, *, core_dumped: bool = False) -> Self:
        """The status of a death by signal `sig`."""
        return cls(sig & _SIGNAL | (_CORE if core_dumped else 0))

    @classmethod
    def of_exit(cls, code: int) -> Self:
        """The status of an exit with `code`, of which the kernel keeps eight bits."""
        return cls((code & _CODE) << 8)

    @property
    def signal(self) -> int:
        """The signal that ended it; 0 for an exit."""
        return self & _SIGNAL

    @property
    def exit_code(self) -> int | None:
        """The code it passed to exit; None for a death by signal."""
        return None if self.signal else self >> 8 & _CODE

    @property
    def core_dumped(self) -> bool:
        """Whether the kernel wrote a core dump."""
        return bool(self & _CORE)

    @property
    def shell_status(self) -> int:
        """What `$?` shows: the exit code, or 128 + signal."""
        code = self.exit_code
        return _SHELL_OFFSET + self.signal if code is None else code

    def with_core_dump(self) -> Self:
        """The same status with the mark of a core dump."""
        return type(self)(self | _CORE)
