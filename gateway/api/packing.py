"""Big JSON answers, encoded and packed on the thread that read the rows."""

import zlib
from typing import Any, Final

import msgspec
from litestar import Request, Response

PACKED: Final = {"packed": True}
"""The `opt` of handlers whose answers are packed already, or not worth packing."""

_ENCODER: Final = msgspec.json.Encoder()
_MIN: Final = 1_024


def wants_gzip(request: Request[Any, Any, Any]) -> bool:
    """Tell whether the caller takes gzip."""
    return "gzip" in request.headers.get("accept-encoding", "")


def pack(answer: msgspec.Struct, *, gzip: bool) -> tuple[bytes, bool]:
    """Encode `answer` and pack it if that is wanted and worth it; safe on any thread."""
    body = _ENCODER.encode(answer)
    if not gzip or len(body) < _MIN:
        return body, False
    packer = zlib.compressobj(level=2, wbits=31)
    return packer.compress(body) + packer.flush(), True


def packed_answer(body: bytes, packed: bool) -> Response[Any]:
    """Make the answer of what `pack` returned."""
    headers = {"Vary": "Accept-Encoding"}
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type="application/json")
