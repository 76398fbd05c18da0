"""The node itself: who it is, what it talks to, whether it lives."""

from typing import Any

from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from msgspec import Struct

from gateway.api.gate import Gate
from gateway.api.ports import EndpointView, LinkView, NodePort
from gateway.api.security import PUBLIC
from gateway.api.times import stamp
from gateway.metrics import CONTENT_TYPE
from registry.model import SECOND, to_rfc3339

Node = NamedDependency[SkipValidation[NodePort]]
TheGate = NamedDependency[SkipValidation[Gate]]


class NodeView(Struct, kw_only=True):
    """Who answers here."""

    name: str
    role: str
    title: str
    title_en: str
    version: str
    epoch: str
    now: str


class EndpointAnswer(Struct, kw_only=True):
    """How the conversation with one endpoint stands."""

    endpoint: str
    protocol: str
    state: str
    since: str | None
    detail: str
    devices: int
    next_try: str | None


class LinkAnswer(Struct, kw_only=True):
    """How the exchange with one other tier stands."""

    node: str
    upper: str
    state: str
    since: str | None
    backlog: int
    oldest_unsent_s: float
    received: int


class Endpoints(Struct):
    items: list[EndpointAnswer]


def link_answer(link: LinkView) -> LinkAnswer:
    """Write a link for the API."""
    return LinkAnswer(
        node=link.node,
        upper=link.upper,
        state=link.state,
        since=stamp(link.since),
        backlog=link.backlog,
        oldest_unsent_s=link.oldest_unsent_s,
        received=link.received,
    )


def _endpoint_answer(view: EndpointView) -> EndpointAnswer:
    return EndpointAnswer(
        endpoint=view.endpoint,
        protocol=view.protocol,
        state=view.state,
        since=stamp(view.since),
        detail=view.detail,
        devices=view.devices,
        next_try=stamp(view.next_try),
    )


class NodeController(Controller):
    """`/node` and `/endpoints`."""

    tags = ("node",)

    @get("/node", summary="Who answers here")
    async def show(self, node: Node) -> NodeView:
        return NodeView(
            name=node.name,
            role=node.role,
            title=node.title,
            title_en=node.title_en,
            version=node.version,
            epoch=node.epoch,
            now=to_rfc3339(node.now()),
        )

    @get("/endpoints", summary="What the node talks to, and how that goes")
    async def endpoints(self, node: Node) -> Endpoints:
        return Endpoints([_endpoint_answer(view) for view in node.endpoints()])


@get("/healthz", opt=PUBLIC, summary="200 while the node answers", tags=["node"])
async def healthz() -> Response[str]:
    """Tell that the process answers, and nothing else."""
    return Response("ok\n", media_type="text/plain")


@get("/metrics", summary="Counters and gauges in the Prometheus text format", tags=["node"])
async def metrics(request: Request[Any, Any, Any], node: Node) -> Response[bytes]:
    """Write out all metrics."""
    streams = node.metrics.gauge("streams", "Screens that follow live changes.")
    streams.set(node.changes.subscribers)
    clock = node.metrics.gauge("node_time_seconds", "The node's clock, seconds since 1970.")
    clock.set(node.now() / SECOND)
    return Response(node.metrics.exposition(), media_type=CONTENT_TYPE)
