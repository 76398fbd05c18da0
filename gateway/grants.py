"""Grants: of which devices a lower node may speak."""

from collections.abc import Sequence

from gateway.config.model import LowerSettings
from gateway.roster import Roster
from registry.model import Device
from registry.model.area import subtree_prefix


class Grants:
    """The configured lower nodes; everything else is a stranger."""

    def __init__(self, node: str, nodes: Sequence[LowerSettings], roster: Roster) -> None:
        """`node` is the node that asks, `nodes` are the configured ones directly below it."""
        self._nodes = {lower.name: lower for lower in nodes}
        self._names = {node, *self._nodes}.union(*(lower.nodes for lower in nodes))
        self._roster = roster

    def admits(self, source: str) -> bool:
        """Tell whether a node may speak here at all."""
        return source in self._nodes

    def permits(self, source: str, subject: str | Device) -> bool:
        """Tell whether `source` may speak of a device, or say this about it.

        Its home must be the source or a node below it, its area within the grant, it must not
        be known as another's, and its id must not be, or begin as those of, another node.
        """
        granted = self._nodes.get(source)
        if granted is None:
            return False
        homes = {source, *granted.nodes}
        if isinstance(subject, str):
            known = self._roster.get(subject)
            if known is None:
                return subject.partition("~")[0] in homes
            return known.via == source and known.device.home in homes
        if subject.id.partition("~")[0] in self._names - homes:
            return False
        known = self._roster.get(subject.id)
        if subject.home not in homes or (known is not None and known.via != source):
            return False
        return not granted.areas or subject.area is None or _within(subject.area, granted.areas)


def _within(area: str, granted: Sequence[str]) -> bool:
    return any(area.startswith(subtree_prefix(code)) for code in granted)
