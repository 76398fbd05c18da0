"""Orders to nodes: writing a variable, calling a method."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from protocols.adapter import LinkLost
from protocols.opcua.address import Slot
from protocols.opcua.codec import Form, Unfit, fit, raw_of
from protocols.opcua.session import Declined, Session, UnknownNamespace, status_words
from registry.model import Command, OutcomeState, Value, ValueType

Result = tuple[OutcomeState, str, Value | None]

_LOOKS: Final = 4
_PAUSE: Final = 0.15
"""A server may take a cycle of its controller to show what was written."""
_FORBIDDEN: Final = {
    StatusCodes.BadNotWritable: "the node cannot be written: allow it at the server",
    StatusCodes.BadUserAccessDenied: "this user may not do it: give the right at the server",
    StatusCodes.BadNotExecutable: "the method cannot be called: allow it at the server",
}
_PLAIN: Final = {
    bool: Form(value=ValueType.BOOL),
    str: Form(value=ValueType.STR),
}


class Order:
    """One write or call; `sent` tells whether the server may have carried it out."""

    def __init__(self, session: Session, slot: Slot, command: Command) -> None:
        self._session = session
        self._slot = slot
        self._command = command
        self.sent = False

    async def carry_out(self) -> Result:
        """Do it, and say what became of it."""
        try:
            if self._slot.object is None:
                return await self._write()
            return await self._call()
        except Unfit as reason:
            return OutcomeState.REFUSED, str(reason), None
        except UnknownNamespace as error:
            return OutcomeState.FAILED, str(error), None
        except Declined as refusal:
            return _failure(refusal.code)
        except LinkLost as loss:
            if self.sent:
                return OutcomeState.SENT_NO_ANSWER, str(loss), None
            return OutcomeState.NOT_CONNECTED, str(loss), None

    # -- write -----------------------------------------------------------------------------

    async def _write(self) -> Result:
        value = self._command.value
        if value is None:
            return OutcomeState.REFUSED, "no value was given", None
        node = self._session.node_id(self._slot.node)
        kind = await self._kind_of(node)
        raw = raw_of(self._slot.form, value, kind)
        self.sent = True
        status = await self._session.write(node, _variant(raw, kind))
        if not ua.StatusCode(status).is_good():  # type: ignore[arg-type]
            return _failure(status)
        if self._command.params.get("verify") is False:
            return OutcomeState.DONE, "taken by the server, not read back", None
        return await self._read_back(node, raw)

    async def _kind_of(self, node: ua.NodeId) -> str:
        """Return the built-in type of a variable, by its data type or else by what it holds."""
        (kind,) = await self._session.read([node], AttributeIds.DataType)
        if kind.StatusCode is not None and not kind.StatusCode.is_good():
            raise Declined(int(kind.StatusCode.value))
        built_in = _built_in(kind.Value.Value if kind.Value is not None else None)
        if built_in:
            return built_in
        (value,) = await self._session.read([node])
        if value.Value is None or value.Value.Value is None:
            raise Unfit("the node's type is the server's own and it holds nothing to go by")
        return str(value.Value.VariantType.name)

    async def _read_back(self, node: ua.NodeId, raw: Value) -> Result:
        value: Value | None = None
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(_PAUSE)
            try:
                (data,) = await self._session.read([node])
            except (Declined, LinkLost) as trouble:
                return OutcomeState.DONE, f"taken by the server; not read back: {trouble}", None
            held = data.Value.Value if data.Value is not None else None
            if data.StatusCode is not None and data.StatusCode.is_bad():
                words = status_words(int(data.StatusCode.value))
                return OutcomeState.DONE, f"taken by the server; reads back as {words}", None
            try:
                value = fit(self._slot.form, held)
            except Unfit as reason:
                return OutcomeState.DONE, f"taken by the server; {reason}", None
            if _same(held, raw):
                return OutcomeState.DONE, "written and read back", value
        return (
            OutcomeState.FAILED,
            f"the server took the write but reads back {value}: the node may be limited or set "
            "from elsewhere",
            value,
        )

    # -- call ------------------------------------------------------------------------------

    async def _call(self) -> Result:
        target = self._session.node_id(self._slot.object or self._slot.node)
        method = self._session.node_id(self._slot.node)
        wanted = await self._session.inputs_of(method)
        inputs = _inputs(wanted, self._command)
        self.sent = True
        result = await self._session.call(target, method, inputs)
        if not result.StatusCode.is_good():
            return _failure(int(result.StatusCode.value))
        outputs = [out.Value for out in result.OutputArguments or ()]
        value = outputs[0] if outputs and isinstance(outputs[0], bool | int | float | str) else None
        told = ", ".join(str(out)[:64] for out in outputs[:8])
        return OutcomeState.DONE, f"called; answered {told}" if outputs else "called", value


def _inputs(wanted: list[ua.Argument], command: Command) -> list[ua.Variant]:
    given: Mapping[str, Any] = command.params
    names = [str(argument.Name) for argument in wanted]
    if len(names) == 1 and names[0] not in given and command.value is not None:
        given = {names[0]: command.value, **given}
    missing = [name for name in names if given.get(name) is None]
    unknown = [name for name in given if name not in names]
    if missing or unknown:
        listed = ", ".join(names) or "none"
        raise Unfit(f"the method takes these arguments: {listed}; give each in params")
    return [_input(argument, given[str(argument.Name)]) for argument in wanted]


def _input(argument: ua.Argument, value: Value) -> ua.Variant:
    kind = _built_in(argument.DataType)
    if not kind or argument.ValueRank not in (-1, -2, -3):
        raise Unfit(f"the argument {argument.Name} is of a type that cannot be given from here")
    form = _PLAIN.get(type(value), Form(value=ValueType.FLOAT))
    try:
        return _variant(raw_of(form, value, kind), kind)
    except Unfit as reason:
        raise Unfit(f"argument {argument.Name}: {reason}") from reason


def _built_in(kind: object) -> str:
    """Return the name of a built-in data type, or nothing for a server's own."""
    if not isinstance(kind, ua.NodeId) or kind.NamespaceIndex:
        return ""
    number: Any = kind.Identifier
    try:
        return str(ua.VariantType(number).name)
    except ValueError:
        return ""


def _variant(raw: Any, kind: str) -> ua.Variant:
    make: Any = ua.Variant
    value = ua.LocalizedText(raw) if kind == "LocalizedText" else raw
    variant: ua.Variant = make(value, ua.VariantType[kind])
    return variant


def _same(held: object, raw: object) -> bool:
    text = getattr(held, "Text", held)
    if isinstance(text, float) and isinstance(raw, float):
        return abs(text - raw) <= 1e-6 * max(1.0, abs(raw))
    return text == raw


def _failure(code: int) -> Result:
    if code in _FORBIDDEN:
        return OutcomeState.REFUSED, f"{_FORBIDDEN[code]} ({status_words(code)})", None
    return OutcomeState.FAILED, status_words(code), None
