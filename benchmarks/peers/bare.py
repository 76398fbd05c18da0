"""What a Python process with the libraries of a node costs before it does anything."""

import asyncio
import importlib

for name in ("sqlite3", "litestar", "uvicorn"):
    importlib.import_module(name)


async def stay() -> None:
    """Wait until ended."""
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(stay())
