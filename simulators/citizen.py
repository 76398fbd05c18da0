"""People who report what they see: a passive source, by HTTP to a node's own API.

Alone: `python -m simulators SCENARIO --only citizen`.
"""

import asyncio
import http.client
import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from registry.model import device_id
from simulators.cast import seats
from simulators.login import read_secret
from simulators.scenario import CitizenPlan
from simulators.signals import normal, seed_of

log = logging.getLogger(__name__)

_PATH = "/api/v1/reports"
_RETRY = 2.0
_PATIENCE = 5.0
_LATER = (401, 403, 404, 408, 429)  # the node may not be ready for us yet
_SAID = 200
_ABOUT_A_KM = 0.01  # degrees


def report(plan: CitizenPlan, seed: int, index: int) -> dict[str, str | float]:
    """Return the `index`-th report as the API takes it."""
    places = seats(plan.area)
    own = seed_of(seed, plan.local, index)
    lon, lat = places[own % len(places)]
    return {
        "device": device_id(plan.node, plan.local),
        "text": plan.texts[index % len(plan.texts)],
        "lon": round(lon + _ABOUT_A_KM * normal(own, 0), 5),
        "lat": round(lat + _ABOUT_A_KM * normal(own, 1), 5),
        "severity": plan.severity.value,
    }


class Citizens:
    """Sends the reports until cancelled; one that is not taken is sent again, up to a point."""

    def __init__(
        self,
        plan: CitizenPlan,
        api: str,
        *,
        seed: int,
        token_file: Path | None,
        elapsed: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._api = api
        self._seed = seed
        self._token_file = token_file
        self._elapsed = elapsed
        self._grumbled = ""

    async def run(self) -> None:
        """Report until cancelled."""
        index = 0
        while True:
            due = self._plan.at + index * self._plan.every
            await asyncio.sleep(max(0.0, due - self._elapsed()))
            await self._insist(index)
            index = max(index + 1, self._missed())

    async def _insist(self, index: int) -> None:
        settled = await self._send(index)
        while not settled:
            await asyncio.sleep(_RETRY)
            settled = await self._send(index)

    def _missed(self) -> int:
        """Return the number of the latest report that is due: older ones are not caught up."""
        return int((self._elapsed() - self._plan.at) // self._plan.every)

    async def _send(self, index: int) -> bool:
        """Tell whether the report is settled: taken, or refused for good."""
        body = msgspec.json.encode(report(self._plan, self._seed, index))
        try:
            status, text = await asyncio.to_thread(self._post, body)
        except (OSError, http.client.HTTPException) as error:
            self._grumble(f"{self._api} does not answer: {error}")
            return False
        if 200 <= status < 300:
            self._grumbled = ""
            return True
        self._grumble(f"{self._api} answers {status}: {text}")
        return 400 <= status < 500 and status not in _LATER

    def _post(self, body: bytes) -> tuple[int, str]:
        """Post once; blocks for a few seconds at most. Return the status and what was said."""
        parts = urlsplit(self._api)
        made = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        connection = made(parts.netloc, timeout=_PATIENCE)
        try:
            connection.request("POST", _PATH, body, self._headers())
            answer = connection.getresponse()
            return answer.status, answer.read(_SAID).decode("utf-8", "replace")
        finally:
            connection.close()

    def _headers(self) -> dict[str, str]:
        token = read_secret(self._token_file) if self._token_file else None
        headers = {"Content-Type": "application/json"}
        return {**headers, "Authorization": f"Bearer {token}"} if token else headers

    def _grumble(self, text: str) -> None:
        if text != self._grumbled:
            self._grumbled = text
            log.warning("%s", text)
