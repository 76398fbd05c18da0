"""A publisher that costs little: MQTT 3.1.1 packets, QoS 1, made beforehand, a window of 100.

Prints `ready`, waits for a line on standard input, publishes, prints JSON with `began` and
`ended` (monotonic nanoseconds of this machine).
"""

import argparse
import json
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.workload import MILLISECOND, payloads

_WINDOW: Final = 100
_PUBACK: Final = 4
_CONNECT: Final = b"\x00\x04MQTT\x04\x02\x00\x00\x00\x00"


def main() -> None:
    """Publish what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("messages", type=int)
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--points", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.0, help="messages a second; 0: all it can")
    parser.add_argument("--payload", type=Path, help="a file to send each time, on topic `bench`")
    options = parser.parse_args()
    packets = list(_packets(options))
    with socket.create_connection(("127.0.0.1", options.port)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(_packet(0x10, _CONNECT))
        if link.recv(4)[3:] != b"\x00":
            raise SystemExit("the broker refused the publisher")
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.monotonic_ns()
        _publish(link, packets, options.rate)
        print(json.dumps({"began": began, "ended": time.monotonic_ns()}), flush=True)
        link.sendall(b"\xe0\x00")


def _packets(options: argparse.Namespace) -> Iterator[bytes]:
    if options.payload is not None:
        body = options.payload.read_bytes()
        for i in range(options.messages):
            yield _message(i, "bench", body)
        return
    start = time.time_ns() - options.messages * MILLISECOND
    made = payloads(options.messages, options.stations, options.points, start)
    for i, (topic, payload) in enumerate(made):
        yield _message(i, topic, payload)


def _message(number: int, topic: str, payload: bytes) -> bytes:
    name = topic.encode()
    head = struct.pack(">H", len(name)) + name + struct.pack(">H", number % 65_535 + 1)
    return _packet(0x32, head + payload)


def _packet(kind: int, body: bytes) -> bytes:
    length = bytearray()
    left = len(body)
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([kind]) + bytes(length) + body


def _publish(link: socket.socket, packets: list[bytes], rate: float) -> None:
    """Send all, never more than a window before they are acknowledged."""
    began = time.monotonic()
    sent = confirmed = acknowledged = 0
    while confirmed < len(packets):
        allowed = len(packets)
        if rate:
            allowed = min(allowed, int((time.monotonic() - began) * rate) + 1)
        some = packets[sent : min(allowed, confirmed + _WINDOW)]
        if some:
            link.sendall(b"".join(some))
            sent += len(some)
        if sent > confirmed:
            acknowledged += len(link.recv(65_536))
            confirmed = acknowledged // _PUBACK
        else:
            time.sleep(0.001)


if __name__ == "__main__":
    main()
