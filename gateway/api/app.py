"""The application: every controller, the gate before them, one shape of errors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ControllerRouterHandler

from gateway.api import errors
from gateway.api.alarms import AlarmsController
from gateway.api.commands import CommandsController
from gateway.api.devices import DevicesController
from gateway.api.gate import Gate
from gateway.api.inlet import InletController
from gateway.api.maps import map_handlers
from gateway.api.node import NodeController, healthz, metrics
from gateway.api.overview import OverviewController
from gateway.api.ports import NodePort
from gateway.api.registry import RegistryController
from gateway.api.rules import RulesController
from gateway.api.screen import STATIC, screen
from gateway.api.security import GateMiddleware, KnownParameters, add_headers
from gateway.api.session import SessionController
from gateway.api.sessions import LoginBrake, Sessions, Tokens
from gateway.api.settings import ApiSettings
from gateway.api.stream import IDLE, StreamController
from gateway.api.values import ValuesController
from gateway.commit import StoreFailed
from registry.model import Fault, Faulty

CONTROLLERS: Sequence[ControllerRouterHandler] = (
    SessionController,
    NodeController,
    OverviewController,
    DevicesController,
    ValuesController,
    CommandsController,
    InletController,
    AlarmsController,
    RulesController,
    RegistryController,
    StreamController,
)


def check(settings: ApiSettings, tokens: Mapping[str, str]) -> list[Fault]:
    """Return what is wrong with the `api` section, given the tokens that exist."""
    faults = []
    if settings.token_required and not any(tokens.values()):
        faults.append(
            Fault(
                where="api.bind" if not settings.loopback else "api.open_on_loopback",
                message=f"listening on {settings.bind} demands a token and there is none",
                expected="a token, or bind 127.0.0.1 with open_on_loopback",
            )
        )
    faults.extend(
        Fault(
            where=f"api.read_only_tokens[{i}]",
            message=f"there is no token called {name!r}",
            expected=", ".join(sorted(tokens)) or "no entry",
        )
        for i, name in enumerate(settings.read_only_tokens)
        if name not in tokens
    )
    if (settings.certificate is None) != (settings.key is None):
        faults.append(
            Fault(where="api.certificate", message="certificate and key go together", expected="")
        )
    return faults


def build(
    node: NodePort,
    settings: ApiSettings,
    tokens: Mapping[str, str],
    *,
    static: Path = STATIC,
) -> Litestar:
    """Make the application that serves `node`. `tokens` is name -> secret.

    Raises:
        Faulty: the settings cannot be used as they are, e.g. no token beyond loopback.
    """
    faults = check(settings, tokens)
    if faults:
        raise Faulty(faults)
    gate = _gate(node, settings, tokens)
    app = Litestar(
        route_handlers=[
            Router("/api/v1", route_handlers=list(CONTROLLERS)),
            *map_handlers(Path(settings.map) if settings.map is not None else None),
            healthz,
            metrics,
            screen(static),
        ],
        dependencies={
            "node": Provide(lambda: node, sync_to_thread=False),
            "gate": Provide(lambda: gate, sync_to_thread=False),
        },
        middleware=[GateMiddleware(gate)],
        guards=[KnownParameters()],
        before_send=[add_headers],
        exception_handlers=_handlers(),
        compression_config=CompressionConfig(
            backend="gzip", minimum_size=1_024, gzip_compress_level=3, exclude_opt_key="packed"
        ),
        request_max_body_size=settings.max_body,
        openapi_config=_openapi(node),
        debug=False,
        logging_config=None,
    )
    app.state.changes = node.changes
    app.state.max_streams = settings.max_streams
    app.state.stream_idle = IDLE
    return app


def _gate(node: NodePort, settings: ApiSettings, tokens: Mapping[str, str]) -> Gate:
    return Gate(
        settings,
        Tokens(tokens, settings.read_only_tokens),
        Sessions(settings.session_hours * 3_600, monotonic),
        LoginBrake(settings.login_attempts, monotonic),
        node.name,
    )


def _handlers() -> dict[int | type[Exception], Any]:
    return {
        HTTPException: errors.on_http_error,
        Faulty: errors.on_faulty,
        StoreFailed: errors.on_store_failed,
        msgspec.ValidationError: errors.on_bad_body,
        RecursionError: errors.on_deep_body,
        500: errors.on_crash,
    }


def _openapi(node: NodePort) -> OpenAPIConfig:
    scheme = SecurityScheme(
        type="http", scheme="bearer", description="A token of this node; or sign in at /session."
    )
    return OpenAPIConfig(
        title="Ganzhi 感知",
        version=node.version,
        description="Devices, live values, history, alarms and commands of one node. Times are"
        " RFC 3339 in UTC unless a field says otherwise.",
        path="/schema",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        components=Components(security_schemes={"token": scheme}),
        security=[{"token": []}],
        use_handler_docstrings=False,
    )
