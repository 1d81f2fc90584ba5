"""A CSV of ours holds no formula, and its texts and numbers come back as they were."""

import csv
import io
from collections.abc import AsyncGenerator

import polars as pl
import pytest

from kaboom.bars.export.encode import encode_table, escape_formulas, stream_table
from kaboom.bars.export.formats import Format

NAMES = ["=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "'", "\uff1d1", "a=1", "トヨタ", "", None]
TABLE = pl.DataFrame({"symbol": NAMES, "close": [-1.5] * len(NAMES), "volume": [-3] * len(NAMES)})


def unquote(text: str) -> str:
    """Return a text as docs/reference/market-api.md says to read it."""
    return text.removeprefix("'")


def test_no_text_begins_like_a_formula_and_numbers_stay() -> None:
    text = b"".join(encode_table(TABLE, Format.CSV)).decode()
    _, *rows = csv.reader(io.StringIO(text, newline=""))
    for (name, close, volume), written in zip(rows, NAMES, strict=True):
        assert not name.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")), name
        assert unquote(name) == (written or "")
        assert (close, volume) == ("-1.5", "-3")


@pytest.mark.anyio
async def test_a_stream_holds_no_formula_either() -> None:
    async def parts() -> AsyncGenerator[pl.DataFrame]:
        yield TABLE.head(4)
        yield TABLE.tail(-4)

    pieces = [bytes(piece) async for piece in stream_table(parts(), TABLE.schema, Format.CSV)]
    assert b"".join(pieces) == b"".join(encode_table(TABLE, Format.CSV))


@pytest.mark.parametrize("form", [Format.JSON, Format.PARQUET])
def test_other_formats_have_texts_as_they_are(form: Format) -> None:
    read = pl.read_json if form is Format.JSON else pl.read_parquet
    assert read(io.BytesIO(b"".join(encode_table(TABLE, form))))["symbol"].to_list() == NAMES


def test_a_table_without_texts_is_left_alone() -> None:
    assert escape_formulas(TABLE.drop("symbol")).equals(TABLE.drop("symbol"))
    assert escape_formulas(TABLE.lazy()).collect().equals(escape_formulas(TABLE))
