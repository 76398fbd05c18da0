"""Running the parts of a conversation together, so that one loss ends all and is seen as itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import ParamSpec

P = ParamSpec("P")


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A TaskGroup whose first failure is raised as itself instead of in an ExceptionGroup."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        raise _first(failures) from failures


async def attempt(
    work: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs
) -> BaseException | None:
    """Await `work` and return its failure instead of raising it; cancelled with its caller."""
    (result,) = await asyncio.gather(work(*args, **kwargs), return_exceptions=True)
    return result if isinstance(result, BaseException) else None


async def wait_for_event(event: asyncio.Event, timeout: float) -> bool:
    """Wait until `event` is set or `timeout` seconds are over; tells whether it is set."""
    try:
        async with asyncio.timeout(timeout):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure
