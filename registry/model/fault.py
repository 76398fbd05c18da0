"""What is wrong with something a person wrote: where, what, and what was expected."""

from collections.abc import Sequence

from msgspec import Struct


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mistake. `where` is a path (`endpoints[2].url`) or a place (`line 7, column lon`)."""

    where: str
    message: str
    expected: str = ""

    def __str__(self) -> str:
        tail = f" (expected {self.expected})" if self.expected else ""
        return f"{self.where}: {self.message}{tail}"


class Faulty(ValueError):
    """Input was refused; `faults` holds every mistake found, not just the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)
