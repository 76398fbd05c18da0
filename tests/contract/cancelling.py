"""Cancel a piece of work at every moment of its life and look for what it leaves behind."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any


def open_sockets() -> set[str]:
    """Return the sockets this process holds, by inode."""
    found = set()
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{entry}")
            if target.startswith("socket:"):
                found.add(target)
    return found


def moments() -> Iterator[int]:
    """Yield loop steps: every one at first, then ever fewer."""
    step = 0.0
    while True:
        step = max(step + 1, step * 1.25)
        yield int(step)


async def cancel_everywhere(
    life: Callable[[], Coroutine[Any, Any, object]],
    *,
    done: Callable[[], bool] = lambda: False,
    between: Callable[[], Awaitable[object]] | None = None,
) -> int:
    """Start `life` again and again, cancel it one step later each time, until it ends or `done`.

    After each cancellation no socket and no task may be left. `between` is awaited after each
    round. Returns the number of rounds.
    """
    for rounds, steps in enumerate(moments(), 1):
        tasks, sockets = asyncio.all_tasks(), open_sockets()
        work = asyncio.ensure_future(life())
        for _ in range(steps):
            if work.done():
                break
            await asyncio.sleep(0)
        over = work.done() or done()
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        await _all_gone(tasks, sockets, steps)
        if over:
            return rounds
        if between is not None:
            await between()
    raise AssertionError("unreachable")


async def _all_gone(tasks: set[asyncio.Task[Any]], sockets: set[str], steps: int) -> None:
    left: set[object] = set()
    for _ in range(600):
        left = {*(open_sockets() - sockets), *(asyncio.all_tasks() - tasks)}
        if not left:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"cancelled after {steps} steps, these stay: {left}")
