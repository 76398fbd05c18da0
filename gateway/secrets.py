"""Secrets a node makes for itself: one file each, readable by its owner only."""

import os
import secrets
from pathlib import Path


def ensure(folder: Path, name: str) -> str:
    """Return the secret called `name`, made and written (0600) at the first call."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    secret = secrets.token_urlsafe(24)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secret + "\n")
    return secret
