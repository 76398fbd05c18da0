"""What makes an edge, a city or a province: which adapters a node runs, and with what.

Tiers differ only here. The device protocols come from `protocols.catalogue`.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from gateway.config import Settings
from protocols import catalogue
from protocols.adapter import Adapter, Context, Credential
from registry.model import Device, Fault, Faulty, Time


class Adapters:
    """Makes the adapter of an endpoint from one of its devices."""

    def __init__(self, settings: Settings, now: Callable[[], Time]) -> None:
        self._settings = settings
        self._now = now
        tiers = (settings.upper, settings.lower)
        self._for_tiers = {tier.credential for tier in tiers if tier is not None}

    def __call__(self, device: Device, connected: Callable[[], None]) -> Adapter:
        """Open the adapter for `device.link`.

        Raises:
            Faulty: the protocol is unknown, or the credential is missing, belongs to another
                tier, or does not list the endpoint's host.
        """
        link = device.link
        entry = catalogue.find(link.protocol) if link else None
        if link is None or entry is None:
            protocol = link.protocol if link else "none"
            raise Faulty([Fault(where="link.protocol", message=f"no adapter for {protocol!r}")])
        context = Context(
            node=self._settings.node.name,
            endpoint=link.endpoint,
            credential=self._credential(link.credential, link.endpoint),
            now=self._now,
            connected=connected,
        )
        return catalogue.load(entry).open(context)

    def _credential(self, name: str | None, endpoint: str) -> Credential | None:
        if name is None:
            return None
        credential = self._settings.credentials.get(name)
        if credential is None:
            raise Faulty(
                [
                    Fault(
                        where="link.credential",
                        message=f"the configuration has no credential {name!r}",
                        expected=", ".join(sorted(self._settings.credentials)) or "an entry",
                    )
                ]
            )
        if name in self._for_tiers:
            raise Faulty(
                [
                    Fault(
                        where="link.credential",
                        message=f"{name!r} signs in at another tier, devices may not use it",
                        expected="an entry of `credentials` of its own",
                    )
                ]
            )
        host = urlsplit(endpoint).hostname or endpoint
        if host not in credential.hosts:
            raise Faulty(
                [
                    Fault(
                        where=f"credentials.{name}.hosts",
                        message=f"does not list {host}, so {name!r} is not sent there",
                        expected=f"[{', '.join([*credential.hosts, host])}]",
                    )
                ]
            )
        return credential
