"""`make lock`: resolve setup.cfg anew and write the three lock files, hashed, without any host.

Needs `uv` on PATH or in .venv. One resolution (everything) is made first; the smaller files are
cut from it, so that a package has the same version in all three. `--upgrade` takes the newest
versions that setup.cfg allows, otherwise what is locked stays where it can.
"""

import configparser
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.packages import LOCKS
from tools.stamps import VENV
from tools.system import ROOT, Missing, find, run, say

DRAFTS = ROOT / "build" / "locks"
HEAD = """\
# Written by `make lock` from setup.cfg, not by hand. {what}
# For Python 3.11 to 3.13 on Linux, x86-64 and aarch64: pip install --require-hashes -r {name}
"""
WHAT = {
    "dev": "Everything: run, video, InfluxDB, build the screen, test.",
    "node": "Only a Node to build the screen with, where the machine's own will not do.",
    "run": "What a node needs to run.",
}


def main(arguments: Sequence[str]) -> int:
    """Write the lock files; return the exit status."""
    DRAFTS.mkdir(parents=True, exist_ok=True)
    smaller = ["--constraint", str(LOCKS["dev"])]
    try:
        shutil.copy(LOCKS["dev"], DRAFTS / "dev")
        _write("dev", ["setup.cfg", "--all-extras", *arguments])
        _write("node", [_requirements("node"), *smaller])
        _write("run", ["setup.cfg", "--extra", "build", *smaller])
    except Missing as fault:
        print(f"ganzhi: {fault}", file=sys.stderr)
        return 1
    return 0


def _requirements(extra: str) -> str:
    """Write one extra of setup.cfg as a requirements file and return its path."""
    options = configparser.ConfigParser()
    options.read(ROOT / "setup.cfg")
    path = DRAFTS / f"{extra}.in"
    path.write_text(options["options.extras_require"][extra])
    return str(path)


def _write(which: str, words: Sequence[str]) -> None:
    uv = find("uv", str(VENV / "bin" / "uv"))
    if uv is None:
        raise Missing("make lock needs uv: .venv/bin/pip install uv")
    lock, draft = LOCKS[which], DRAFTS / which
    how = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header"]
    where = ["--no-config", "--default-index", "https://pypi.org/simple"]
    run([uv, "pip", "compile", *how, *where, "--output-file", draft, *words], quiet=True)
    body = re.sub(r"^ +#.*\n", "", draft.read_text(), flags=re.MULTILINE)
    lock.write_text(HEAD.format(what=WHAT[which], name=Path(lock).name) + body)
    say(f"{lock.name}: {len(re.findall(r'^[^ #]+==', body, re.MULTILINE))} packages")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
