"""From the bytes of a file to its text."""

import codecs
from typing import Final

from registry.model import Fault, Faulty

MAX_BYTES: Final = 64 * 1024 * 1024


def decode(data: str | bytes) -> str:
    """Return the text of a file: UTF-8 or UTF-16 by their marks, else UTF-8, else GB 18030.

    Raises:
        Faulty: the file is too large or in no encoding known here.
    """
    if len(data) > MAX_BYTES:
        raise _faulty(f"holds {len(data)} bytes", f"at most {MAX_BYTES}: split it")
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _faulty("is in an unknown encoding", "UTF-8 or GB 18030 text")


def _faulty(message: str, expected: str) -> Faulty:
    return Faulty([Fault(where="file", message=message, expected=expected)])
