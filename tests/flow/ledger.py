"""The ledger: what was handed in, kept outside the fault domain, against what arrived."""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion


@dataclass(frozen=True)
class Verdict:
    """The three counts that must all be zero."""

    accepted: int
    lost: int
    doubled: int
    invented: int

    @property
    def clean(self) -> bool:
        return (self.lost, self.doubled, self.invented) == (0, 0, 0)


def judge(accepted: Iterable[int], delivered: Iterable[object]) -> Verdict:
    """Compare what was accepted with every row that was delivered."""
    wanted = set(accepted)
    counts = Counter(delivered)
    return Verdict(
        accepted=len(wanted),
        lost=len(wanted - set(counts)),
        doubled=sum(count - 1 for count in counts.values()),
        invented=len(set(counts) - wanted),
    )


class Source:
    """Publishes numbered readings, QoS 1, without a source time: a repeat would show as a row.

    A number is accepted once the device's broker has acknowledged it; that broker holds it for
    the edge's session and is never killed.
    """

    def __init__(self, port: int, topic: str, per_second: int) -> None:
        self.accepted: list[int] = []
        self._topic = topic
        self._pause = 1 / per_second
        self._ending = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="source")
        self._port = port
        self._thread = threading.Thread(target=self._publish)

    def connect(self) -> None:
        """Sign in at the broker; returns when it let us in."""
        ready = threading.Event()
        self._client.on_connect = lambda *_: ready.set()
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        if not ready.wait(10):
            raise AssertionError(f"no broker on port {self._port}")

    def send(self, number: int) -> bool:
        """Publish one number; tells whether the broker took it."""
        sent = self._client.publish(self._topic, f'{{"n": {number}}}', qos=1)
        sent.wait_for_publish(30)
        return sent.is_published()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Publish no more; returns when the last one is acknowledged."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _publish(self) -> None:
        number = 0
        while not self._ending.wait(self._pause):
            number += 1
            if self.send(number):
                self.accepted.append(number)
