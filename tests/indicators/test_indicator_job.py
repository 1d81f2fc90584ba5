"""A job on indicators: which symbols it means, the file of each, and what became of them."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from kaboom.bars.actions.store import Origin, build_notes
from kaboom.bars.history import reader_at
from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.bars.windows import read_with_history
from kaboom.errors import InvalidRequest
from kaboom.indicators.formulas import compute_indicators
from kaboom.indicators.plan import IndicatorChunk, IndicatorPlan, folder_of, plan_indicators
from kaboom.indicators.request import IndicatorRequest
from kaboom.indicators.run import IndicatorTools, load_indicators, run_indicator_chunk
from kaboom.indicators.table import parse_indicators
from kaboom.market.action import ActionState, CorporateAction
from kaboom.market.bar import BAR_SCHEMA, BarSeries
from kaboom.market.calendar import last_sessions
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome, OutcomeReport
from tests.fixtures.bars.random_bars import random_bars

pytestmark = pytest.mark.anyio
LAST = date(2025, 11, 4)
NIGHT = datetime(2025, 11, 4, 12, tzinfo=UTC)
DAYS = last_sessions(400, LAST)
DAILY = BarSeries("synthetic", Interval.D1)
RSI = parse_indicators(["rsi:14", "sma:200"], Interval.D1)


def days_of(symbol: str, days: tuple[date, ...] = DAYS, seed: int = 1) -> pl.DataFrame:
    """Return daily bars at random, on sessions."""
    times = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days]
    bars = random_bars(len(days), seed).with_columns(symbol=pl.lit(symbol), opened_at=pl.Series(times))
    return bars.cast(BAR_SCHEMA)


@pytest.fixture
async def store() -> MemoryBarStore:
    store = MemoryBarStore()
    for seed, symbol in enumerate(("7203", "6758", "1301", "130A")):
        await store.write(DAILY, days_of(symbol, seed=seed))
    await store.write(DAILY, days_of("9999", DAYS[:50]))
    return store


def request_of(**values: Any) -> dict[str, Any]:
    return {"indicators": ["rsi:14", "sma:200"], "sessions": 100, "session": "2025-11-04", "adjusted": False, **values}


async def plan(store: MemoryBarStore, root: Path, **values: Any) -> IndicatorPlan:
    request = IndicatorRequest.parse({"provider": "synthetic"} | request_of(**values))
    folder = folder_of(request, root)
    return await plan_indicators(request, store, folder, symbols_dir=root / "symbols", now=NIGHT, delay_s=0)


async def run(store: MemoryBarStore, made: IndicatorPlan, **more: Any) -> OutcomeReport:
    report = OutcomeReport()
    for chunk in made.chunks:
        tools = IndicatorTools(store, None, made.request.indicators, made.folder)
        report += await run_indicator_chunk(chunk, tools, **more)
    return report


async def test_all_symbols_that_are_held_get_a_file_that_polars_opens(store: MemoryBarStore, tmp_path: Path) -> None:
    made = await plan(store, tmp_path)
    report = await run(store, made)
    assert [(o.symbol, o.outcome, o.rows) for o in report.outcomes] == [
        (symbol, Outcome.OK, 100) for symbol in ("1301", "130A", "6758", "7203")
    ]
    assert made.folder == tmp_path / "synthetic" / "1d" / "rsi_14+sma_200"
    whole = pl.read_parquet(made.folder / "*.parquet")
    assert whole.columns == ["provider", "interval", *BAR_SCHEMA, "rsi_14", "sma_200"]
    assert (whole["symbol"].n_unique(), whole.height) == (4, 400)
    assert whole["opened_at"].dt.date().unique().sort().to_list() == list(DAYS[-100:])
    expected = compute_indicators(days_of("7203", seed=0), RSI)[-100:]
    found = whole.filter(pl.col("symbol") == "7203").drop("provider", "interval")
    assert_frame_equal(found, expected, rel_tol=1e-9)
    assert not found["sma_200"].has_nulls()


async def test_doing_it_again_gives_the_same_files_and_no_others(store: MemoryBarStore, tmp_path: Path) -> None:
    made = await plan(store, tmp_path)
    await run(store, made)
    before = {path.name: path.read_bytes() for path in made.folder.iterdir()}
    await run(store, made)
    assert {path.name: path.read_bytes() for path in made.folder.iterdir()} == before
    assert sorted(before) == ["1301.parquet", "130A.parquet", "6758.parquet", "7203.parquet"]


async def test_a_symbol_without_bars_loses_its_old_file(store: MemoryBarStore, tmp_path: Path) -> None:
    made = await plan(store, tmp_path, symbols=["7203", "9999"])
    made.folder.mkdir(parents=True)
    (made.folder / "9999.parquet").write_text("old")
    report = await run(store, made)
    assert [(o.symbol, o.outcome) for o in report.outcomes] == [("7203", Outcome.OK), ("9999", Outcome.NO_TRADES)]
    assert [path.name for path in made.folder.iterdir()] == ["7203.parquet"]


async def test_an_unwritable_file_fails_only_its_symbol(store: MemoryBarStore, tmp_path: Path) -> None:
    made = await plan(store, tmp_path)
    (made.folder / "6758.parquet").mkdir(parents=True)
    report = await run(store, made)
    failed = [o for o in report.outcomes if not o.outcome.is_fine]
    assert [(o.symbol, o.outcome) for o in failed] == [("6758", Outcome.WRITE_FAILED)]
    assert "6758.parquet could not be written: Is a directory" in failed[0].message
    assert [path.name for path in made.folder.iterdir() if path.name.startswith(".")] == []


async def test_a_chunk_continues_where_it_stopped(store: MemoryBarStore, tmp_path: Path) -> None:
    made = await plan(store, tmp_path)
    heard: list[int] = []
    stopped = await run(
        store, made, on_progress=lambda r: heard.append(len(r.outcomes)), should_stop=lambda: len(heard) == 2
    )
    assert len(stopped.outcomes) == 2
    rest = await run(store, made, start=2)
    assert [o.symbol for o in (stopped + rest).outcomes] == ["1301", "130A", "6758", "7203"]


async def test_a_market_means_those_of_its_symbols_that_are_held(store: MemoryBarStore, tmp_path: Path) -> None:
    made = await plan(store, tmp_path, market="TSE_GROWTH")
    assert [chunk.symbols for chunk in made.chunks] == [("130A",)]


async def test_files_have_the_sessions_that_they_have(store: MemoryBarStore, tmp_path: Path) -> None:
    own = [date(2025, 11, 1), date(2025, 11, 2), date(2025, 11, 5)]
    await store.write(BarSeries("file", Interval.D1), days_of("^N225", tuple(own)))
    made = await plan(store, tmp_path, provider="file", sessions=2, session="2025-11-05")
    assert (made.first, made.last) == (own[1], own[2])
    assert [o.rows for o in (await run(store, made)).outcomes] == [2]


async def test_symbols_without_the_last_session_are_counted(store: MemoryBarStore, tmp_path: Path) -> None:
    assert (await run(store, await plan(store, tmp_path))).counts == {}
    await store.write(DAILY, days_of("9984", DAYS[:-1]))
    report = await run(store, await plan(store, tmp_path))
    assert [o.symbol for o in report.outcomes if o.rows == 99] == ["9984"]
    assert report.counts == {"behind": 1}


async def test_where_nothing_is_held_nothing_is_planned(store: MemoryBarStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"no bars of synthetic 1h are held from .* to 2025-11-04"):
        await plan(store, tmp_path, interval="1h")
    with pytest.raises(InvalidRequest, match="1d of TSE_STANDARD"):
        await plan(MemoryBarStore(), tmp_path, market="TSE_STANDARD")


async def test_the_plan_says_what_comes_where(store: MemoryBarStore, tmp_path: Path) -> None:
    summary = (made := await plan(store, tmp_path)).summary()
    assert summary["columns"] == ["rsi_14", "sma_200"]
    assert summary["folder"] == str(made.folder)
    assert (summary["symbols"], summary["chunks"], summary["is_final"]) == (4, 1, True)
    (chunk,) = made.chunks
    assert IndicatorChunk.from_payload(chunk.payload(), chunk.symbols) == chunk


def test_a_request_is_read_as_it_is_written() -> None:
    values = request_of(symbols=["72030"], market="TSE_PRIME", provider="synthetic", interval="5m")
    request = IndicatorRequest.parse(values)
    assert IndicatorRequest.parse(request.to_json()) == request
    assert request.to_json()["symbols"] == ["7203"]
    assert IndicatorRequest.parse({"indicators": ["obv"], "provider": "synthetic"}).to_json() == {
        "provider": "synthetic", "interval": "1d", "indicators": ["obv"], "sessions": 250, "adjusted": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"interval": "7m"}, "/interval"),
        ({"sessions": 0}, "/sessions"),
        ({"indicators": []}, "/indicators"),
        ({"provider": "x"}, "/provider"),
        ({"market": "x"}, "/market"),
        ({"session": "x"}, "/session"),
    ],
)
def test_invalid_requests_are_rejected(values: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        IndicatorRequest.parse({"provider": "synthetic"} | request_of(**values))
    assert caught.value.pointer == pointer


def test_many_indicators_have_a_short_folder_of_their_own(tmp_path: Path) -> None:
    many = [f"sma:{n}" for n in range(2, 34)]
    asked = [IndicatorRequest.parse({"indicators": texts, "provider": "synthetic"}) for texts in (many, many[::-1])]
    one, other = (folder_of(request, tmp_path) for request in asked)
    assert one != other
    assert max(len(one.name), len(other.name)) < 120


class Counting(MemoryBarStore):
    """A store that counts its reads."""

    reads = 0

    async def read(self, series: BarSeries, symbol: str, *, start: datetime, end: datetime) -> pl.DataFrame:
        """Count, and read."""
        self.reads += 1
        return await super().read(series, symbol, start=start, end=end)


@pytest.mark.parametrize("rows_before", [0, 1, 30, 399, 5_000])
async def test_so_many_rows_come_before_a_span_or_all_there_are(rows_before: int) -> None:
    store, bars = Counting(), days_of("7203")
    await store.write(DAILY, bars)
    start, end = bars["opened_at"][-20], NIGHT
    found = await read_with_history(store, DAILY, "7203", start=start, end=end, rows_before=rows_before)
    assert found.equals(bars[-found.height :])
    assert found.height >= min(rows_before + 20, 400)
    assert store.reads < 12
    assert (await read_with_history(store, DAILY, "1", start=start, end=end, rows_before=9)).is_empty()


async def test_without_rows_before_nothing_more_is_read() -> None:
    store, bars = Counting(), days_of("7203")
    await store.write(DAILY, bars)
    found = await read_with_history(store, DAILY, "7203", start=bars["opened_at"][-20], end=NIGHT, rows_before=0)
    assert (store.reads, found.height) == (1, 20)


async def test_rows_before_are_looked_for_beyond_months_without_a_trade() -> None:
    store, bars = MemoryBarStore(), days_of("7203")
    halted = pl.concat([bars[:150], bars[300:]])
    await store.write(DAILY, halted)
    start = bars["opened_at"][310]
    found = await read_with_history(store, DAILY, "7203", start=start, end=NIGHT, rows_before=30)
    assert found.filter(pl.col("opened_at") < start).height >= 30
    assert found.equals(halted[-found.height :])


async def test_a_symbol_that_hardly_trades_is_looked_for_further_back() -> None:
    store, thin = MemoryBarStore(), days_of("7203")[::20]
    await store.write(DAILY, thin)
    tools = IndicatorTools(store, None, parse_indicators(["sma:15"], Interval.D1), Path("unused"))
    found = await load_indicators(DAILY, "7203", tools, first=DAYS[-21], last=LAST)
    assert found.height >= 1
    assert not found["sma_15"].has_nulls()
    assert timedelta(days=0) < thin["opened_at"][-1] - thin["opened_at"][0]


async def test_bars_are_adjusted_for_splits_that_are_reported_also_rolled_up_ones(tmp_path: Path) -> None:
    bars, rolled = days_of("7203"), BarSeries("synthetic_from_1m", Interval.D1)
    split = CorporateAction("7203", DAYS[-5], 0.5)
    was_before = pl.col("opened_at").dt.date() < split.ex_session
    prices = [pl.when(was_before).then(pl.col(c) * 2).otherwise(pl.col(c)) for c in ("open", "high", "low", "close")]
    store, actions = MemoryBarStore(), MemoryActionStore()
    await store.write(rolled, bars.with_columns(*prices, volume=pl.col("volume") // 2))
    notes = build_notes([split], Origin.PROVIDER, ActionState.REPORTED, noted_at=NIGHT)
    await actions.save("synthetic", notes)
    chosen = parse_indicators(["sma:25", "rsi"], Interval.D1)
    found = {
        adjusted: await load_indicators(
            rolled, "7203", IndicatorTools(store, adjusted, chosen, tmp_path), first=DAYS[-10], last=LAST
        )
        for adjusted in (actions, None)
    }
    names = [name for one in chosen for name in one.columns]
    assert_frame_equal(found[actions].select(names), compute_indicators(bars, chosen)[-10:].select(names))
    assert not found[None]["rsi_14"].equals(found[actions]["rsi_14"])


async def test_files_of_adjusted_bars_lie_apart(store: MemoryBarStore, tmp_path: Path) -> None:
    raw, adjusted = await plan(store, tmp_path), await plan(store, tmp_path, adjusted=True)
    assert (raw.folder.parent.name, adjusted.folder.parent.name) == ("1d", "1d-adjusted")


async def test_indicators_as_of_a_moment_use_bars_and_splits_known_then(tmp_path: Path) -> None:
    now = datetime(2025, 11, 4, 9, tzinfo=UTC)
    store, actions = MemoryBarStore(clock=lambda: now), MemoryActionStore(clock=lambda: now)
    await store.write(DAILY, days_of("7203"))
    moment, now = now, now + timedelta(hours=1)
    request = IndicatorRequest.parse(
        {"provider": "synthetic"} | request_of(adjusted=True, as_of=moment.isoformat(), symbols=["7203"])
    )
    assert folder_of(request, tmp_path) == tmp_path / "as-of-20251104T090000.000000Z" / "synthetic" / "1d-adjusted" / (
        "rsi_14+sma_200"
    )
    folder, symbols_dir = folder_of(request, tmp_path), tmp_path / "symbols"
    before = await plan_indicators(request, store, folder, symbols_dir=symbols_dir, now=now, delay_s=0)
    tools = IndicatorTools(reader_at(store, moment), reader_at(actions, moment), RSI, tmp_path, moment)
    (chunk,) = before.chunks
    old = await load_indicators(chunk.series, "7203", tools, first=chunk.first, last=chunk.last)
    # Corrected since, and split since.
    await store.write(DAILY, days_of("7203", seed=5))
    split = build_notes([CorporateAction("7203", DAYS[-10], 0.5)], Origin.PROVIDER, ActionState.REPORTED, noted_at=now)
    await actions.save("synthetic", split)
    again = await plan_indicators(request, store, folder, symbols_dir=symbols_dir, now=now, delay_s=0)
    assert again.chunks == before.chunks
    assert_frame_equal(await load_indicators(chunk.series, "7203", tools, first=chunk.first, last=chunk.last), old)
    today = IndicatorTools(store, actions, RSI, tmp_path)
    new = await load_indicators(chunk.series, "7203", today, first=chunk.first, last=chunk.last)
    assert not new.equals(old)
