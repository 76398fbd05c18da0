"""paho-mqtt as it is, receiving only: what the library alone takes for the same messages.

Prints `ready` once subscribed, and when `messages` have come JSON with `ended` (monotonic
nanoseconds) and `cpu` (seconds of this process since `ready`).
"""

import json
import sys
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion


class Receiver:
    """Counts messages."""

    def __init__(self, port: int, topic: str, messages: int) -> None:
        self._left = messages
        self._cpu = 0.0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="raw")
        self._topic = topic
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._message
        self._client.connect("127.0.0.1", port)

    def run(self) -> None:
        """Receive until all have come."""
        self._client.loop_forever()

    def _connected(self, *_: Any) -> None:
        self._client.subscribe(self._topic, 1)

    def _subscribed(self, *_: Any) -> None:
        print("ready", flush=True)
        self._cpu = time.process_time()

    def _message(self, *_: Any) -> None:
        self._left -= 1
        if self._left == 0:
            told = {"ended": time.monotonic_ns(), "cpu": time.process_time() - self._cpu}
            print(json.dumps(told), flush=True)
            self._client.disconnect()


if __name__ == "__main__":
    Receiver(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])).run()
