"""The text of a file: its encoding, found from its bytes; pure."""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from pathlib import Path

from kaboom.providers.file.errors import FileRefused

# Excel in Japan saves CSV as CP932, and "Unicode text" as UTF-16.
_NAMES = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 with BOM", "cp932": "CP932", "utf-16": "UTF-16"}


def to_utf8(content: bytes | bytearray, path: Path, *, is_cut: bool = False) -> tuple[bytes, str]:
    """Return a text as UTF-8 without a byte-order mark, and the name of its encoding; `is_cut` if its end is missing.

    Lines end in LF, also where the file has CR alone, as a Macintosh writes it.

    Raises:
        FileRefused: the file is in another encoding, or is not text.

    """
    encoding = _guess(content)
    text = bytes(content[len(BOM_UTF8) :]) if encoding == "utf-8-sig" else bytes(content)
    if encoding not in {"utf-8", "utf-8-sig"} or not text.isascii():
        text, encoding = _decode(text, encoding, path, is_cut=is_cut)
    if (at := text.find(b"\0")) >= 0:
        raise FileRefused(path, "expected text, found a NUL byte", line=text.count(b"\n", 0, at) + 1)
    if b"\r" in text and b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    return text, _NAMES[encoding]


def _guess(content: bytes | bytearray) -> str:
    if content.startswith(BOM_UTF8):
        return "utf-8-sig"
    return "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8"


def _decode(text: bytes, encoding: str, path: Path, *, is_cut: bool) -> tuple[bytes, str]:
    line = 1
    for name in (encoding,) if encoding == "utf-16" else ("utf-8", "cp932"):
        try:
            # The first bytes of a file may end within a character; only that character is left out.
            decoded = getincrementaldecoder(name)().decode(text, final=not is_cut)
        except UnicodeDecodeError as e:
            line = max(line, text.count(b"\n", 0, e.start) + 1)
            continue
        known = encoding if encoding == "utf-8-sig" else name
        return decoded.encode(), known
    raise FileRefused(path, "expected text in UTF-8, CP932 or UTF-16, found other bytes", line=line)
