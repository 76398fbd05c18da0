"""Threshold rules: hysteresis, selectors, and that raise and clear alternate."""

from hypothesis import given
from hypothesis import strategies as st

from edge_ai.threshold import Thresholds, Verdict, applies
from registry.model import Comparison, Device, DeviceKind, Point, Severity, ThresholdRule

DEVICE = Device(
    id="e~a",
    home="e",
    name="a",
    kind=DeviceKind.SENSOR,
    category="water",
    tags=("dam",),
    points=(Point(name="level"),),
)


def rule(comparison: Comparison = Comparison.ABOVE, **more: object) -> ThresholdRule:
    fields: dict[str, object] = {
        "id": "r",
        "point": "level",
        "comparison": comparison,
        "limit": 5.0,
        "hysteresis": 1.0,
        "severity": Severity.MAJOR,
    }
    return ThresholdRule(**(fields | more))  # type: ignore[arg-type]


def thresholds(*rules: ThresholdRule) -> Thresholds:
    made = Thresholds()
    made.load(rules, {DEVICE.id: DEVICE}, ())
    return made


def verdicts(made: Thresholds, *values: float) -> list[Verdict]:
    return [c.verdict for v in values for c in made.judge("e~a", "level", v, 0)]


def test_above_with_hysteresis() -> None:
    assert verdicts(thresholds(rule()), 5.0, 5.1, 4.5, 6.0, 4.0, 4.5) == [
        Verdict.RAISE,
        Verdict.CLEAR,
    ]


def test_below_with_hysteresis() -> None:
    made = thresholds(rule(Comparison.BELOW))
    assert verdicts(made, 5.0, 4.9, 5.5, 6.0) == [Verdict.RAISE, Verdict.CLEAR]


def test_selectors_must_all_match() -> None:
    assert applies(rule(category="water", tag="dam", device="e~a"), DEVICE)
    assert not applies(rule(category="gas"), DEVICE)
    assert not applies(rule(tag="road"), DEVICE)
    assert not applies(rule(point="flow"), DEVICE)
    assert not applies(rule(enabled=False), DEVICE)


def test_text_and_nothing_judge_nothing() -> None:
    made = thresholds(rule())
    assert made.judge("e~a", "level", "high", 0) == []
    assert made.judge("e~a", "level", None, 0) == []


@given(st.lists(st.floats(0, 10)))
def test_raise_and_clear_alternate(values: list[float]) -> None:
    found = verdicts(thresholds(rule()), *values)
    assert found[0::2] == [Verdict.RAISE] * len(found[0::2])
    assert found[1::2] == [Verdict.CLEAR] * len(found[1::2])
