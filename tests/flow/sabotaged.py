"""A Ganzhi that acknowledges before it commits: the negative control of the ledger test.

Run like the real program (`python -m tests.flow.sabotaged run -c FILE`). Whatever is handed to
the pipeline is called stored at once, and stored half a second later.
"""

import asyncio
import sys
from collections.abc import Sequence

from gateway.cli.main import main
from gateway.pipeline import Pipeline
from registry.model import Event

_honest = Pipeline.emit
_late: set[asyncio.Task[None]] = set()


async def emit(self: Pipeline, events: Sequence[Event], source: str) -> None:
    async def later() -> None:
        await asyncio.sleep(0.5)
        await _honest(self, events, source)

    task = asyncio.create_task(later())
    _late.add(task)
    task.add_done_callback(_late.discard)


if __name__ == "__main__":
    Pipeline.emit = emit  # type: ignore[method-assign]
    sys.exit(main())
