"""Threshold rules: when a value becomes an alarm."""

from typing import Annotated

from litestar import Controller, delete, get, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from gateway.api.errors import Problem, not_found
from gateway.api.node import Node
from registry.model import Comparison, Severity, ThresholdRule
from registry.store import rules


class RuleView(Struct, kw_only=True, forbid_unknown_fields=True):
    """A rule as it is read and written; selectors that are null match every device."""

    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = ""
    point: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    comparison: Comparison
    limit: float
    severity: Severity
    hysteresis: Annotated[float, Meta(ge=0)] = 0.0
    title: Annotated[str, Meta(max_length=200)] = ""
    device: str | None = None
    category: str | None = None
    tag: str | None = None
    enabled: bool = True


class RulesAnswer(Struct):
    items: list[RuleView]


def rule_view(rule: ThresholdRule) -> RuleView:
    """Write a rule for the API."""
    return RuleView(**{name: getattr(rule, name) for name in RuleView.__struct_fields__})


class RulesController(Controller):
    """`/rules`."""

    path = "/rules"
    tags = ("rules",)

    @get(summary="All rules")
    async def everything(self, node: Node) -> RulesAnswer:
        found = await node.read(rules.everything)
        return RulesAnswer([rule_view(rule) for rule in found])

    @put("/{rule_id:str}", summary="Make or replace a rule; it holds from the next reading on")
    async def put(self, node: Node, rule_id: FromPath[str], data: JSONBody[RuleView]) -> RuleView:
        if data.id not in ("", rule_id):
            raise Problem.bad("id", f"{data.id!r} is not the id in the address", rule_id)
        rule = _rule(rule_id, data)
        await node.put_rule(rule)
        return rule_view(rule)

    @delete("/{rule_id:str}", status_code=204, summary="Remove a rule")
    async def delete(self, node: Node, rule_id: FromPath[str]) -> None:
        if not await node.delete_rule(rule_id):
            raise not_found("rule", rule_id)


def _rule(rule_id: str, data: RuleView) -> ThresholdRule:
    return ThresholdRule(
        id=rule_id,
        point=data.point,
        comparison=data.comparison,
        limit=data.limit,
        severity=data.severity,
        hysteresis=data.hysteresis,
        title=data.title,
        device=data.device,
        category=data.category,
        tag=data.tag,
        enabled=data.enabled,
    )
