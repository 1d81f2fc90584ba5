"""Lines of a CSV that end before the last column in use; polars fills them up and does not say where they are; pure."""

import csv
import io
from dataclasses import replace

import polars as pl

from kaboom.providers.file.errors import Refusal
from kaboom.providers.file.recognise.layout import Layout

#: Short lines of one file that are named.
_MOST_NAMED = 20


def drop_short(
    frame: pl.DataFrame, body: bytes, layout: Layout, file: Refusal
) -> tuple[pl.DataFrame, list[Refusal], list[int]]:
    """Return cells, all null in lines that end before the last column in use; refusals of these lines; the lines.

    `frame` has a row for each line of the text, and its columns have the names and the order that polars gave them.
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
