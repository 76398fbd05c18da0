"""What can be wrong with what arrives from another tier, or with what is to be kept for one."""


class BadEnvelope(ValueError):
    """Bytes from another tier that cannot be read; `field` names where."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class OutboxFull(Exception):
    """Nothing that may be dropped is left in the outbox, and its quota is used up."""

    def __init__(self, lane: str, used: int, limit: int) -> None:
        super().__init__(
            f"The outbox holds {used} bytes of at most {limit}, and lane {lane} is never dropped: "
            "restore the link to the upper tier or raise the outbox quota."
        )
        self.lane = lane
