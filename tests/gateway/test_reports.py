"""A person's report: nobody but a person ends it."""

from pathlib import Path

from registry.model import (
    Acknowledgement,
    Alarm,
    AlarmAcknowledged,
    AlarmState,
    Discovered,
    Severity,
)
from registry.store import alarms
from tests.gateway.support import NOW, Clock, core, device


async def test_acknowledging_a_report_ends_it(tmp_path: Path) -> None:
    report = Alarm(
        id="R",
        key="report/R",
        device="edge-1~a",
        type="report",
        severity=Severity.NOTICE,
        state=AlarmState.RAISED,
        message="water on the road",
        raised_time=NOW,
        updated_time=NOW,
    )
    async with core(tmp_path, Clock()) as opened:
        await opened.pipeline.emit([Discovered(device=device()), report], "api")
        word = AlarmAcknowledged(alarm="R", acknowledgement=Acknowledgement(by="li", time=NOW + 1))
        await opened.pipeline.emit([word], "api")
        stands = await opened.stores.readers.read(lambda c: alarms.get(c, "R"))
        assert stands is not None
        assert (stands.state, stands.cleared_time) == (AlarmState.CLEARED, NOW + 1)
