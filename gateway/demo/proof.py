"""What a demo of limited time proves: seen and done from the province's API alone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from msgspec import Struct

Say = Callable[[str], None]
_POLL: Final = 1.0


class Ask(Protocol):
    """GET a path of the province's API, or POST a body to it."""

    def __call__(self, path: str, body: Any = None) -> Awaitable[Any]: ...


class Summary(Struct, kw_only=True):
    """What was reached."""

    devices: int = 0
    online: int = 0
    readings: int = 0
    protocols: dict[str, int]
    raised: int = 0
    cleared: int = 0
    acknowledged: int = 0
    command: str = "none given"
    register: str = ""

    @property
    def whole(self) -> bool:
        """Whether every part of the path works."""
        three = all(self.protocols.get(kind, 0) > 0 for kind in ("mqtt", "modbus", "opcua"))
        alarms = self.raised > 0 and self.cleared > 0 and self.acknowledged > 0
        return three and alarms and self.readings > 0 and self.command == "done"

    def lines(self) -> list[str]:
        """Return the summary for people."""
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.protocols.items()))
        return [
            "",
            "  Seen from the province:",
            f"    devices online      {self.online} of {self.devices}",
            f"    online by protocol  {kinds or 'none'}",
            f"    readings stored     {self.readings}",
            f"    alarms              {self.raised} raised, {self.acknowledged} acknowledged"
            f" from the province, {self.cleared} cleared",
            f"    command             {self.command}{self.register}",
            f"    the whole path      {'works' if self.whole else 'is BROKEN'}",
        ]


class Witness:
    """Acts as an operator at the province."""

    def __init__(self, ask: Ask, say: Say) -> None:
        self._ask = ask
        self._say = say
        self._acknowledged: set[str] = set()
        self._command: dict[str, Any] | None = None
        self._register = ""

    async def work(self) -> None:
        """Acknowledge what is raised and give one command, until cancelled."""
        while True:
            try:
                await self._acknowledge()
                await self._order()
            except (OSError, KeyError):
                pass
            await asyncio.sleep(_POLL)

    async def _acknowledge(self) -> None:
        answer = await self._ask("/api/v1/alarms?open=true&limit=50")
        for alarm in answer["items"]:
            if alarm["acknowledged"] is None and alarm["type"] == "threshold":
                await self._ask(f"/api/v1/alarms/{alarm['id']}/acknowledge", {"comment": "demo"})
                self._acknowledged.add(alarm["id"])
                self._say(f"        acknowledged at the province: {alarm['message']}")

    async def _order(self) -> None:
        """Write another value to a writable Modbus point, and see that it comes back up."""
        if self._command is None:
            await self._give_command()
            return
        command = self._command = await self._ask(f"/api/v1/commands/{self._command['id']}")
        if self._register or command["state"] != "done":
            return
        answer = await self._ask(f"/api/v1/devices/{command['device']}/latest")
        for row in answer["items"]:
            if row["point"] == command["point"] and row["value"] == command["value"]:
                self._register = f": {command['point']} of {command['device']} is {row['value']:g}"
                self._say(f"        command carried out{self._register}")

    async def _give_command(self) -> None:
        answer = await self._ask("/api/v1/devices?state=online&limit=1000")
        for row in answer["items"]:
            if row["protocol"] != "modbus":
                continue
            latest = await self._ask(f"/api/v1/devices/{row['id']}/latest")
            point = next(
                (p for p in latest["items"] if p["writable"] and p["type"] in ("int", "float")),
                None,
            )
            if point is None or point["value"] is None:
                continue
            wanted = 42 if point["value"] != 42 else 24
            body = {"action": "write", "point": point["point"], "value": wanted, "deadline_s": 20}
            self._command = await self._ask(f"/api/v1/devices/{row['id']}/commands", body)
            return

    async def sum_up(self) -> Summary:
        """Return what was reached so far."""
        overview = await self._ask("/api/v1/summary")
        listing = await self._ask("/api/v1/devices?limit=10000&state=online")
        alarms = await self._ask("/api/v1/alarms?limit=1000")
        protocols: dict[str, int] = {}
        for row in listing["items"]:
            if row["protocol"]:
                protocols[row["protocol"]] = protocols.get(row["protocol"], 0) + 1
        command = self._command["state"] if self._command else "none given"
        return Summary(
            devices=overview["devices"]["total"],
            online=overview["devices"]["states"]["online"],
            readings=overview["readings_stored"],
            protocols=protocols,
            raised=len(alarms["items"]),
            cleared=sum(1 for alarm in alarms["items"] if alarm["cleared"]),
            acknowledged=len(self._acknowledged),
            command=command,
            register=self._register,
        )
