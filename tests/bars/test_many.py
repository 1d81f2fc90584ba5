"""Bars of many symbols are those of each symbol, whichever store reads them, and however they are encoded."""

import io
import itertools
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from kaboom.bars.export.encode import stream_table
from kaboom.bars.export.formats import Format
from kaboom.bars.many import Wanted, read_many, split_span
from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.store import BarStore
from kaboom.market.bar import BAR_SCHEMA, BarSeries
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame, full_day

pytestmark = pytest.mark.anyio
NAMES = [f"{1301 + n}" for n in range(60)]
DAYS = [date(2024, 12, 30), date(2025, 10, 31), date(2025, 11, 4)]
START, END = at(DAYS[0]), at(DAYS[-1], 60)


@pytest.fixture(params=["memory", "pages"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[BarStore]:
    store = MemoryBarStore() if request.param == "memory" else PageBarStore(tmp_path)
    for seed, day in enumerate(DAYS):
        await store.write(MINUTES, full_day(NAMES, day, seed))
        await store.write(DAILY, frame(*(bar(name, at(day), 100.0 + seed) for name in NAMES)))
    yield store
    await store.close()


@pytest.mark.parametrize("series", [MINUTES, DAILY], ids=lambda series: series.interval)
@pytest.mark.parametrize("symbols", [(), ("1305", "1301"), tuple(NAMES[:55])], ids=len)
async def test_they_are_those_of_each_symbol(store: BarStore, series: BarSeries, symbols: tuple[str, ...]) -> None:
    parts = [part async for part in read_many(store, Wanted(series, START, END, symbols))]
    each = [await store.read(series, symbol, start=START, end=END) for symbol in symbols or NAMES]
    expected = pl.concat(each).sort(pl.col("opened_at").dt.date(), "symbol", "opened_at")
    assert expected.height
    assert pl.concat(parts).equals(expected)
    # Of minutes a part is never more than a month.
    assert len(parts) > 1


@pytest.mark.parametrize(("start", "end"), [(END, END), (at(date(2020, 1, 6)), at(date(2020, 2, 6)))])
async def test_a_span_without_bars_has_no_part(store: BarStore, start: datetime, end: datetime) -> None:
    assert [part async for part in read_many(store, Wanted(MINUTES, start, end))] == []


async def encode(form: Format, *parts: pl.DataFrame) -> bytes:
    async def give() -> AsyncGenerator[pl.DataFrame]:
        for part in parts:
            yield part

    return b"".join([piece async for piece in stream_table(give(), BAR_SCHEMA, form)])


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_parts_make_one_table_in_every_format(count: int) -> None:
    parts = [full_day(["6758", "7203"], day, seed) for seed, day in enumerate(DAYS[:count])]
    whole = pl.concat([pl.DataFrame(schema=BAR_SCHEMA), *parts])
    arrow = await encode(Format.ARROW, *parts)
    assert pl.read_ipc_stream(arrow).equals(whole)
    assert pa.ipc.open_stream(arrow).read_all().num_rows == whole.height
    assert pl.read_parquet(io.BytesIO(await encode(Format.PARQUET, *parts))).equals(whole)
    csv = (await encode(Format.CSV, *parts)).decode().splitlines()
    assert (len(csv), csv[0]) == (whole.height + 1, ",".join(BAR_SCHEMA))


def test_a_span_of_minutes_is_split_at_months_and_of_daily_bars_at_years() -> None:
    start, end = at(date(2024, 11, 29), 5), at(date(2025, 2, 3), 7)
    months = [at(date(2024, 12, 1)), at(date(2025, 1, 1)), at(date(2025, 2, 1))]
    assert list(split_span(Wanted(MINUTES, start, end))) == [*itertools.pairwise([start, *months, end])]
    assert list(split_span(Wanted(DAILY, start, end))) == [(start, months[1]), (months[1], end)]
    for series in (MINUTES, DAILY):
        within = (start, at(date(2024, 11, 29), 9))
        assert list(split_span(Wanted(series, *within))) == [within]
        assert list(split_span(Wanted(series, start, start))) == []


@pytest.mark.parametrize("symbols", [(), ("1305",)])
async def test_a_span_within_a_month_ends_where_it_was_asked_to(store: BarStore, symbols: tuple[str, ...]) -> None:
    wanted = Wanted(MINUTES, at(DAYS[2], 10), at(DAYS[2], 20), symbols)
    bars = pl.concat([part async for part in read_many(store, wanted)])
    assert bars["opened_at"].unique().sort().to_list() == [at(DAYS[2], minute) for minute in range(10, 20)]
