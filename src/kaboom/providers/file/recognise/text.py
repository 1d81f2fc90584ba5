"""The text of a file: its encoding, found from its bytes, and lines that end early; pure."""

import csv
import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from dataclasses import replace
from pathlib import Path

import polars as pl

from kaboom.providers.file.errors import FileRefused, Refusal
from kaboom.providers.file.recognise.layout import Layout, explain_scale, names_scale

# Excel in Japan saves CSV as CP932, and "Unicode text" as UTF-16.
_NAMES = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 with BOM", "cp932": "CP932", "utf-16": "UTF-16"}
#: Short lines of one file that are named.
_MOST_NAMED = 20


def to_utf8(content: bytes | bytearray, path: Path, *, is_cut: bool = False) -> tuple[bytes, str]:
    """Return a text as UTF-8 without a byte-order mark, and the name of its encoding; `is_cut` if its end is missing.

    Lines end in LF or CR LF, also where the file has CR alone, as a Macintosh writes it.

    Raises:
        FileRefused: the file is in another encoding, or is not text.

    """
    encoding = _guess(content)
    text = bytes(content[len(BOM_UTF8) :]) if encoding == "utf-8-sig" else bytes(content)
    if encoding not in {"utf-8", "utf-8-sig"} or not text.isascii():
        text, encoding = _decode(text, encoding, path, is_cut=is_cut)
    if (at := text.find(b"\0")) >= 0:
        raise FileRefused(path, "expected text, found a NUL byte", line=text.count(b"\n", 0, at) + 1)
    if text.count(b"\r") > text.count(b"\r\n"):
        text = re.sub(rb"\r(?!\n)", b"\n", text)
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


def drop_short(
    frame: pl.DataFrame, body: bytes, layout: Layout, file: Refusal
) -> tuple[pl.DataFrame, list[Refusal], list[int]]:
    """Return cells, all null in lines that end before the last column in use; refusals of these lines; the lines.

    `frame` has a row for each line of the text, and its columns have the names and the order that polars gave them.

    Raises:
        FileRefused: such a line is a note that names a scale, which may be that of the volumes.

    """
    has_any = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
    suspects = set((frame[frame.columns[-1]].is_null() & has_any).arg_true())
    least = int(frame.columns[-1].removeprefix("column_"))
    short: dict[int, int] = {}
    for number, line in enumerate(io.BytesIO(body) if suspects else ()):
        if number in suspects:
            [fields] = csv.reader([line.decode().rstrip("\r\n")], delimiter=layout.separator)
            if len(fields) < least:
                short[number] = len(fields)
                if names_scale(text := ",".join(fields)):
                    raise FileRefused(Path(file.file), explain_scale(text), line=number + layout.first_line)
    if not short:
        return frame, [], []
    refused = [
        replace(
            file, why=f"expected {len(layout.header)} fields as in the header, found {found}",
            line=number + layout.first_line, rows=1,
        )
        for number, found in sorted(short.items())[:_MOST_NAMED]
    ]  # fmt: skip
    is_short = pl.int_range(pl.len()).is_in(list(short))
    lines = [number + layout.first_line for number in sorted(short)]
    return frame.with_columns(pl.when(~is_short).then(pl.all())), refused, lines
