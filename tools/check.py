"""`make check`: every check runs, whatever the one before found; all that failed are named last."""

import subprocess
import sys
import time

from tools.packages import PYTHON
from tools.system import ROOT, say

CHECKS = {
    "format": ["-m", "ruff", "format", "--check", "."],
    "lint": ["-m", "ruff", "check", "."],
    "types": ["-m", "mypy"],
    "floors": ["-c", "from importlinter.cli import lint_imports_command as run; run()"],
    "house": ["-m", "pytest", "-q", "tests/house"],
}


def main() -> int:
    """Run every check; return 1 when one failed."""
    failed = []
    for name, words in CHECKS.items():
        say(f"check: {name}")
        begun = time.monotonic()
        if subprocess.run([PYTHON, *words], cwd=ROOT, check=False).returncode:
            failed.append(name)
        say(f"    {'FAILED' if name in failed else 'good'} in {time.monotonic() - begun:.0f} s")
    say(f"check: failed: {', '.join(failed)}" if failed else "check: all good")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
