"""The two state machines of a cascade link, as tables: {(state, event): (state, effects)}."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

Effects = tuple[str, ...]


class UplinkState(StrEnum):
    """Where the lower end of a link stands."""

    APART = "apart"
    BORN = "born"
    SENDING = "sending"


class UplinkEvent(StrEnum):
    CONNECTED = "connected"
    IN_STEP = "in_step"
    UPPER_BEHIND = "upper_behind"
    COPIED = "copied"
    UPPER_ANEW = "upper_anew"
    SILENCE = "silence"


UPLINK: Final[Mapping[tuple[UplinkState, UplinkEvent], tuple[UplinkState, Effects]]] = {
    (UplinkState.APART, UplinkEvent.CONNECTED): (UplinkState.BORN, ("give_birth",)),
    (UplinkState.BORN, UplinkEvent.IN_STEP): (UplinkState.SENDING, ("open", "tell")),
    (UplinkState.BORN, UplinkEvent.UPPER_BEHIND): (
        UplinkState.SENDING,
        ("republish", "open", "tell"),
    ),
    (UplinkState.BORN, UplinkEvent.COPIED): (UplinkState.BORN, ("renew_epoch", "give_birth")),
    (UplinkState.BORN, UplinkEvent.SILENCE): (UplinkState.BORN, ("tell",)),
    (UplinkState.SENDING, UplinkEvent.UPPER_ANEW): (UplinkState.BORN, ("give_birth",)),
    (UplinkState.SENDING, UplinkEvent.SILENCE): (UplinkState.BORN, ("give_birth", "tell")),
}


class LowerState(StrEnum):
    """What the upper end of a link knows of a lower node."""

    UNKNOWN = "unknown"
    ONLINE = "online"
    OFFLINE = "offline"


class LowerEvent(StrEnum):
    BIRTH = "birth"
    HEARD = "heard"
    FAREWELL = "farewell"
    SILENCE = "silence"


LOWER: Final[Mapping[tuple[LowerState, LowerEvent], tuple[LowerState, Effects]]] = {
    (LowerState.UNKNOWN, LowerEvent.BIRTH): (LowerState.ONLINE, ("tell",)),
    (LowerState.UNKNOWN, LowerEvent.HEARD): (LowerState.ONLINE, ("tell",)),
    (LowerState.UNKNOWN, LowerEvent.FAREWELL): (LowerState.OFFLINE, ("pause_down", "tell")),
    (LowerState.UNKNOWN, LowerEvent.SILENCE): (LowerState.OFFLINE, ("pause_down", "tell")),
    (LowerState.ONLINE, LowerEvent.BIRTH): (LowerState.ONLINE, ()),
    (LowerState.ONLINE, LowerEvent.HEARD): (LowerState.ONLINE, ()),
    (LowerState.ONLINE, LowerEvent.FAREWELL): (LowerState.OFFLINE, ("pause_down", "tell")),
    (LowerState.ONLINE, LowerEvent.SILENCE): (LowerState.OFFLINE, ("pause_down", "tell")),
    (LowerState.OFFLINE, LowerEvent.BIRTH): (LowerState.ONLINE, ("tell",)),
    (LowerState.OFFLINE, LowerEvent.HEARD): (LowerState.ONLINE, ("tell",)),
    (LowerState.OFFLINE, LowerEvent.FAREWELL): (LowerState.OFFLINE, ()),
    (LowerState.OFFLINE, LowerEvent.SILENCE): (LowerState.OFFLINE, ()),
}
