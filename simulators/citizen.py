"""People who report what they see: a passive source, by HTTP to a node's own API.

Alone: `python -m simulators SCENARIO --only citizen`.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import httpx

from registry.model import device_id
from simulators.cast import seats
from simulators.login import read_secret
from simulators.scenario import CitizenPlan
from simulators.signals import normal, seed_of

log = logging.getLogger(__name__)

_RETRY = 2.0
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
        self._url = f"{api}/api/v1/reports"
        self._seed = seed
        self._token_file = token_file
        self._elapsed = elapsed
        self._grumbled = ""

    async def run(self) -> None:
        """Report until cancelled."""
        async with httpx.AsyncClient(timeout=5) as client:
            index = 0
            while True:
                due = self._plan.at + index * self._plan.every
                await asyncio.sleep(max(0.0, due - self._elapsed()))
                await self._insist(client, index)
                index = max(index + 1, self._missed())

    async def _insist(self, client: httpx.AsyncClient, index: int) -> None:
        settled = await self._send(client, index)
        while not settled:
            await asyncio.sleep(_RETRY)
            settled = await self._send(client, index)

    def _missed(self) -> int:
        """Return the number of the latest report that is due: older ones are not caught up."""
        return int((self._elapsed() - self._plan.at) // self._plan.every)

    async def _send(self, client: httpx.AsyncClient, index: int) -> bool:
        """Tell whether the report is settled: taken, or refused for good."""
        try:
            answer = await client.post(
                self._url, json=report(self._plan, self._seed, index), headers=self._headers()
            )
        except httpx.HTTPError as error:
            self._grumble(f"{self._url} does not answer: {type(error).__name__}")
            return False
        if answer.is_success:
            self._grumbled = ""
            return True
        self._grumble(f"{self._url} answers {answer.status_code}: {answer.text[:200]}")
        return 400 <= answer.status_code < 500 and answer.status_code not in (401, 403, 404, 429)

    def _headers(self) -> dict[str, str]:
        token = read_secret(self._token_file) if self._token_file else None
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _grumble(self, text: str) -> None:
        if text != self._grumbled:
            self._grumbled = text
            log.warning("%s", text)
