"""What was done last time, so that it is done again only when something changed.

The marks live in .venv: a new .venv begins anew.
"""

import hashlib
from pathlib import Path

from tools.system import ROOT

VENV = ROOT / ".venv"
FOLDER = VENV / ".stamps"


def digest(*files: Path, beside: str = "") -> str:
    """Return a digest of the files' names and contents, and of a text beside them."""
    total = hashlib.sha256(beside.encode() + b"\0")
    for file in sorted(files):
        total.update(str(file.relative_to(ROOT)).encode() + b"\0")
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def current(name: str, mark: str) -> bool:
    """Tell whether `name` was last done with the same mark."""
    stamp = FOLDER / name
    return stamp.is_file() and stamp.read_text() == mark


def done(name: str, mark: str) -> None:
    """Remember that `name` was done with this mark."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_text(mark)
