"""`ganzhi watch`: what a running node tells the screens, line by line."""

import argparse
import http.client
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from registry.model import Fault, Faulty


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "watch",
        help="follow a running node: states, values, alarms",
        description="Follow the live changes of a running node, one line each.",
        epilog="Example: ganzhi watch http://127.0.0.1:8080 --device edge-east~water-01-01",
    )
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8080", metavar="URL")
    parser.add_argument("--device", metavar="ID", help="only this device")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="data/NODE/secrets/api-token"
    )
    parser.set_defaults(run=_watch)


def _watch(options: argparse.Namespace) -> int:
    url = options.url if "://" in options.url else f"http://{options.url}"
    request = urllib.request.Request(f"{url.rstrip('/')}/api/v1/stream")  # noqa: S310
    if options.token_file is not None:
        request.add_header("Authorization", f"Bearer {_token(options.token_file)}")
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - the operator's own URL
            for line in lines(answer, options.device):
                print(line, flush=True)
    except urllib.error.HTTPError as error:
        hint = ": give --token-file" if error.code == 401 else ""
        print(f"{url} answers {error.code} {error.reason}{hint}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # of our own output: for `main`
        raise
    except (OSError, http.client.HTTPException) as error:
        print(f"{url} does not answer: {error}", file=sys.stderr)
        return 1
    return 0


def _token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise Faulty([Fault(where=str(path), message=message)]) from error


def lines(stream: Iterable[bytes], device: str | None) -> Iterator[str]:
    """Turn the event stream into lines for people; `device` keeps only one device's."""
    event = ""
    for raw in stream:
        text = raw.decode("utf-8", "replace").rstrip("\n")
        if text.startswith("event:"):
            event = text.removeprefix("event:").strip()
        elif text.startswith("data:") and event == "changes":
            yield from _changes(json.loads(text.removeprefix("data:")), device)


def _changes(data: dict[str, Any], device: str | None) -> Iterator[str]:
    for row in data.get("status", ()):
        if device in (None, row["device"]):
            yield f"{row['since']}  state  {row['device']}  {row['state']}  {row['cause']}"
    for row in data.get("latest", ()):
        if device in (None, row["device"]):
            grade = "" if row["quality"] == "good" else f"  ({row['quality']})"
            yield f"{row['time']}  value  {row['device']}  {row['point']} = {row['value']}{grade}"
    for row in data.get("alarms", ()):
        if device in (None, row["device"]):
            yield (
                f"{row['updated']}  alarm  {row['device']}  {row['severity']} {row['state']}:"
                f" {row['message']}"
            )
