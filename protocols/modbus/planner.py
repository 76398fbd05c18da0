"""From points to the fewest block reads, and what a device's refusals teach about them.

A refused block is cut in halves until each part is answered or holds one point only. A point
refused alone is set apart; halves that are answered apart but not together leave a cut that no
later block crosses. Then everything is planned anew, so one bad register costs one extra read.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from protocols.modbus.address import Slot


class Limits(Struct, frozen=True, kw_only=True):
    """Most registers (or bits) of a read, and the most unasked ones read to save a request."""

    span: int
    gap: int


class Block(Struct, frozen=True, kw_only=True, eq=False):
    """One read: `count` registers (or bits) from `start`, serving `slots`."""

    start: int
    count: int
    slots: tuple[Slot, ...]

    @property
    def end(self) -> int:
        return self.start + self.count


def block_of(slots: Sequence[Slot]) -> Block:
    """Return the smallest read that covers `slots`, which are sorted by start."""
    start = slots[0].start
    return Block(start=start, count=max(slot.end for slot in slots) - start, slots=tuple(slots))


def plan(
    slots: Iterable[Slot],
    limits: Limits,
    cuts: frozenset[int] = frozenset(),
    barred: frozenset[int] = frozenset(),
) -> list[Block]:
    """Cover every slot exactly once with the fewest reads within `limits`.

    A slot wider than the span gets a read of its own. No read that starts before a cut serves a
    slot that starts at or after it; no gap is bridged that holds a barred register.
    """
    blocks: list[Block] = []
    group: list[Slot] = []
    end = 0
    for slot in sorted(slots, key=lambda s: (s.start, s.end)):
        if group and (
            max(end, slot.end) - group[0].start > limits.span
            or slot.start - end > limits.gap
            or any(group[0].start < cut <= slot.start for cut in cuts)
            or any(end <= register < slot.start for register in barred)
        ):
            blocks.append(block_of(group))
            group = []
        end = max(end, slot.end) if group else slot.end
        group.append(slot)
    if group:
        blocks.append(block_of(group))
    return blocks


class _Trial:
    """A refused block under examination: a node of the tree of its halves."""

    def __init__(self, block: Block, parent: "_Trial | None") -> None:
        self.block = block
        self.parent = parent
        self.open = 2
        self.explained = False


class BlockPlan:
    """The reads of one unit, table and period, as the device has taught us."""

    def __init__(self, slots: Iterable[Slot], limits: Limits) -> None:
        self._slots = list(slots)
        self._limits = limits
        self._bad: list[Slot] = []
        self._cuts: set[int] = set()
        self._trials: dict[Block, _Trial] = {}
        self._blocks = plan(self._slots, limits)

    @property
    def blocks(self) -> Sequence[Block]:
        """The reads that serve every point not set apart."""
        return tuple(self._blocks)

    @property
    def bad(self) -> Sequence[Slot]:
        """The points that the device refuses."""
        return tuple(self._bad)

    def took(self, block: Block) -> None:
        """Note that the device answered `block`."""
        trial = self._trials.pop(block, None)
        if trial is not None:
            self._settle(trial)

    def refused(self, block: Block) -> Sequence[Block]:
        """Note that the device refused `block`; return its halves, none if it is one point.

        That point is then in `bad`.
        """
        if block not in self._blocks:
            return ()
        trial = self._trials.pop(block, None) or _Trial(block, None)
        at = self._blocks.index(block)
        if len(block.slots) == 1:
            del self._blocks[at]
            self._bad.append(block.slots[0])
            trial.explained = True
            self._settle(trial)
            return ()
        middle = _middle(block.slots)
        halves = [block_of(block.slots[:middle]), block_of(block.slots[middle:])]
        self._blocks[at : at + 1] = halves
        for half in halves:
            self._trials[half] = _Trial(half, trial)
        return halves

    def set_apart(self, block: Block) -> None:
        """Note that the device refuses all points of `block`, whatever way they are read."""
        if block in self._blocks:
            self._blocks.remove(block)
            self._bad.extend(block.slots)
            trial = self._trials.pop(block, None)
            if trial is not None:
                trial.explained = True
                self._settle(trial)

    def retry(self) -> None:
        """Take the refused points back, to see whether the device has learned them."""
        if self._bad:
            self._bad = []
            self._trials = {}
            self._replan()

    def _settle(self, trial: _Trial) -> None:
        """Close a trial and those above it that wait for it only; plan anew after the last."""
        node: _Trial | None = trial
        while node is not None:
            parent = node.parent
            if parent is None:
                break
            parent.explained |= node.explained
            parent.open -= 1
            if parent.open:
                return
            if not parent.explained:
                self._cuts.add(parent.block.slots[_middle(parent.block.slots)].start)
                parent.explained = True
            node = parent
        if not self._trials:
            self._replan()

    def _replan(self) -> None:
        bad = set(self._bad)
        good = [slot for slot in self._slots if slot not in bad]
        covered = {register for slot in good for register in range(slot.start, slot.end)}
        barred = {register for slot in bad for register in range(slot.start, slot.end)}
        self._blocks = plan(good, self._limits, frozenset(self._cuts), frozenset(barred - covered))


def _middle(slots: Sequence[Slot]) -> int:
    """Return where to halve: near the middle, best where nothing overlaps."""
    end = 0
    clear = []
    for at, slot in enumerate(slots):
        if at and slot.start >= end:
            clear.append(at)
        end = max(end, slot.end)
    half = len(slots) // 2
    return min(clear, key=lambda at: abs(at - half)) if clear else half
