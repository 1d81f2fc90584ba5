"""A roll-up on every bar store: exact, apart from the provider's, true about days that differ."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from kaboom.bars.coverage.classify import CoverScope
from kaboom.bars.coverage.gaps import load_cells
from kaboom.bars.store import FETCH_LOG_SCHEMA, BarStore
from kaboom.errors import InvalidRequest
from kaboom.market.bar import BarFlag, BarSeries
from kaboom.market.calendar import last_sessions
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome, OutcomeReport
from kaboom.market.roll_up import compare_days, roll_up_bars
from kaboom.market_data.request import LONGER, RollUpRequest
from kaboom.market_data.roll_up import _describe_differences, _windows, roll_up_chunk
from kaboom.market_data.roll_up_plan import RollUpChunk, RollUpPlan, _split, plan_roll_up
from tests.bars.bar_store import run
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame, full_day

LAST = date(2025, 6, 3)
DAYS = last_sessions(12, LAST)
SYMBOLS = ["1301", "285A", "7203"]
NOW = datetime(2025, 6, 5, tzinfo=UTC)


@pytest.fixture
def minutes(store: BarStore) -> pl.DataFrame:
    """Minutes of twelve sessions, over the end of a month."""
    bars = pl.concat([full_day(SYMBOLS, day, seed) for seed, day in enumerate(DAYS)]).sort("symbol", "opened_at")
    run(store.write(MINUTES, bars))
    return bars


def plan(store: BarStore, **values: object) -> RollUpPlan:
    request = RollUpRequest.parse({"session": LAST.isoformat()} | {"provider": "synthetic"} | values)
    return run(plan_roll_up(request, store, now=NOW, delay_s=3600, slots=2))


def roll_up(store: BarStore, **values: object) -> OutcomeReport:
    return sum((run(roll_up_chunk(chunk, store)) for chunk in plan(store, **values).chunks), OutcomeReport())


def derived(store: BarStore, interval: Interval) -> pl.DataFrame:
    series = BarSeries("synthetic_from_1m", interval)
    frames = [run(store.read(series, s, start=at(date(2025, 1, 1)), end=at(date(2026, 1, 1)))) for s in SYMBOLS]
    return pl.concat(frames)


def test_every_interval_is_exactly_its_minutes(store: BarStore, minutes: pl.DataFrame) -> None:
    report = roll_up(store, intervals={interval.value: len(DAYS) for interval in LONGER})
    assert [o.outcome for o in report.outcomes] == [Outcome.OK] * 3
    for interval in LONGER:
        assert_frame_equal(derived(store, interval), roll_up_bars(minutes, interval), check_exact=True)
        assert report.counts[f"bars_{interval}"] == derived(store, interval).height
    assert report.rows == sum(report.counts.values())


def test_each_interval_has_its_own_look_back(store: BarStore, minutes: pl.DataFrame) -> None:
    roll_up(store, intervals={"5m": 1, "1d": 7})
    assert derived(store, Interval.M5)["opened_at"].dt.date().unique().to_list() == [LAST]
    assert derived(store, Interval.D1)["opened_at"].dt.date().unique().sort().to_list() == list(DAYS[-7:])


def test_the_providers_own_bars_are_left_alone(store: BarStore, minutes: pl.DataFrame) -> None:
    own = frame(bar("7203", at(LAST)))
    run(store.write(DAILY, own))
    run(store.write(BarSeries("synthetic", Interval.M5), own))
    roll_up(store)
    for interval in (Interval.M5, Interval.D1):
        assert_frame_equal(run(store.read_session(BarSeries("synthetic", interval), LAST)), own)


def test_a_day_that_differs_is_flagged_counted_and_reported(store: BarStore, minutes: pl.DataFrame) -> None:
    days = roll_up_bars(minutes, Interval.D1)
    is_it = (pl.col("symbol") == "7203") & (pl.col("opened_at") == at(DAYS[-2]))
    theirs = days.with_columns(close=pl.when(is_it).then(pl.col("close") + 0.1).otherwise(pl.col("close")))
    run(store.write(DAILY, theirs))
    report = roll_up(store, intervals={"1d": 5})
    assert (report.counts["days_compared"], report.counts["days_differ"]) == (15, 1)
    told = {o.symbol: o.message for o in report.outcomes if o.message}
    close = days.filter(is_it)["close"][0]
    assert told == {
        "7203": f"1 days differ from the provider's own 1d: {DAYS[-2]} close {close:.15g}, theirs {close + 0.1:.15g}"
    }
    flagged = derived(store, Interval.D1).filter(pl.col("flags") != 0)
    assert flagged.select("symbol", "opened_at", "flags").rows() == [("7203", at(DAYS[-2]), BarFlag.DAY_DIFFERS)]


def test_corrected_bars_lose_their_flag(store: BarStore, minutes: pl.DataFrame) -> None:
    run(store.write(DAILY, frame(bar("7203", at(LAST)))))
    assert roll_up(store).counts["days_differ"] == 1
    run(store.write(DAILY, roll_up_bars(minutes, Interval.D1)))
    assert "days_differ" not in roll_up(store).counts
    assert derived(store, Interval.D1)["flags"].sum() == 0


def test_bars_are_as_final_as_their_minutes(store: BarStore, minutes: pl.DataFrame) -> None:
    rows = [("7203", DAYS[-2], 327, datetime(2025, 6, 2, 9, tzinfo=UTC)), ("7203", LAST, 327, at(LAST, 200))]
    run(store.save_fetch_log(MINUTES, pl.DataFrame(rows, schema=FETCH_LOG_SCHEMA, orient="row")))
    roll_up(store, intervals={"1h": 2, "1d": 2})
    for interval, bars in ((Interval.H1, 7), (Interval.D1, 1)):
        noted = run(store.load_fetch_log(BarSeries("synthetic_from_1m", interval), first=DAYS[0], last=LAST))
        assert noted.rows() == [(symbol, day, bars, asked_at) for symbol, day, _, asked_at in rows]
    scope = CoverScope(["7203"], DAYS[-2:], timedelta(minutes=1), datetime(2025, 6, 4, tzinfo=UTC))
    cells = run(load_cells(store, BarSeries("synthetic_from_1m", Interval.D1), scope))
    assert cells["state"].cast(str).to_list() == ["complete", "not_final"]


def answered(hour: int) -> pl.DataFrame:
    """Return that the minutes of the last two sessions were asked for at an hour of 4 June."""
    rows = [(s, day, 327, datetime(2025, 6, 4, hour, tzinfo=UTC)) for s in SYMBOLS for day in DAYS[-2:]]
    return pl.DataFrame(rows, schema=FETCH_LOG_SCHEMA, orient="row")


class FetchedMeanwhile:
    """A store whose minutes are fetched again as soon as they were read."""

    def __init__(self, store: BarStore, later: pl.DataFrame) -> None:
        self._store, self._later = store, later

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def read(self, series: BarSeries, symbol: str, *, start: datetime, end: datetime) -> pl.DataFrame:
        found = await self._store.read(series, symbol, start=start, end=end)
        if series == MINUTES:
            await self._store.save_fetch_log(MINUTES, self._later)
        return found


def test_bars_are_no_newer_than_the_minutes_that_were_read(store: BarStore, minutes: pl.DataFrame) -> None:
    run(store.save_fetch_log(MINUTES, answered(8)))
    busy = cast("BarStore", FetchedMeanwhile(store, answered(9)))
    for chunk in plan(store, intervals={"1h": 2}).chunks:
        run(roll_up_chunk(chunk, busy))
    noted = run(store.load_fetch_log(BarSeries("synthetic_from_1m", Interval.H1), first=DAYS[0], last=LAST))
    assert noted["asked_at"].dt.hour().to_list() == [8] * len(noted)
    assert len(noted) == len(SYMBOLS) * 2


def states(store: BarStore, interval: Interval, now: datetime = NOW) -> dict[tuple[str, date], str]:
    scope = CoverScope(SYMBOLS, DAYS[-2:], timedelta(minutes=1), now)
    cells = run(load_cells(store, BarSeries("synthetic_from_1m", interval), scope))
    told = cells.select("symbol", "session", pl.col("state").cast(pl.String)).rows()
    return {(symbol, session): state for symbol, session, state in told}


ALL_COMPLETE = {(symbol, day): "complete" for symbol in SYMBOLS for day in DAYS[-2:]}
LONG = {interval.value: 2 for interval in LONGER}


@pytest.mark.parametrize("interval", LONGER)
def test_bars_whose_minutes_were_corrected_are_outdated_until_the_next_roll_up(
    store: BarStore, minutes: pl.DataFrame, interval: Interval
) -> None:
    run(store.save_fetch_log(MINUTES, answered(1)))
    roll_up(store, intervals=LONG)
    assert states(store, interval) == ALL_COMPLETE
    is_it = (pl.col("symbol") == "7203") & (pl.col("opened_at") == at(LAST, 10))
    run(store.write(MINUTES, minutes.filter(is_it).with_columns(pl.col("volume") + 100)))
    run(store.save_fetch_log(MINUTES, answered(2)))
    assert states(store, interval) == ALL_COMPLETE | {("7203", LAST): "outdated"}
    roll_up(store, intervals=LONG)
    assert states(store, interval) == ALL_COMPLETE


def test_bars_that_lack_a_minute_which_came_later_are_outdated(store: BarStore, minutes: pl.DataFrame) -> None:
    run(store.save_fetch_log(MINUTES, answered(1)))
    roll_up(store, intervals=LONG)
    run(store.write(MINUTES, frame(bar("1301", at(LAST, 386)))))
    run(store.save_fetch_log(MINUTES, answered(2)))
    # Of an hour and a day a bar changes; of five minutes one is added.
    for interval in (Interval.M5, Interval.H1, Interval.D1):
        assert states(store, interval) == ALL_COMPLETE | {("1301", LAST): "outdated"}


def test_bars_whose_minutes_are_gone_are_not_outdated(store: BarStore, minutes: pl.DataFrame) -> None:
    run(store.write(BarSeries("synthetic_from_1m", Interval.D1), frame(bar("9984", at(LAST)))))
    # Asked for, of which nothing is held.
    run(store.save_fetch_log(MINUTES, pl.DataFrame([("9984", LAST, 0, NOW)], schema=FETCH_LOG_SCHEMA, orient="row")))
    scope = CoverScope(["9984"], [LAST], timedelta(minutes=1), NOW + timedelta(days=30))
    cells = run(load_cells(store, BarSeries("synthetic_from_1m", Interval.D1), scope))
    assert cells["state"].cast(pl.String).to_list() == ["complete"]


def test_minutes_that_come_again_unchanged_outdate_nothing(store: BarStore, minutes: pl.DataFrame) -> None:
    run(store.save_fetch_log(MINUTES, answered(1)))
    roll_up(store, intervals=LONG)
    run(store.write(MINUTES, minutes))
    run(store.save_fetch_log(MINUTES, answered(2)))
    assert all(states(store, interval) == ALL_COMPLETE for interval in LONGER)


def test_bars_that_an_older_kaboom_rolled_up_without_a_note_are_compared(
    store: BarStore, minutes: pl.DataFrame
) -> None:
    roll_up(store, intervals={"1d": 2})
    run(store.write(MINUTES, minutes.filter(pl.col("opened_at") == at(LAST)).with_columns(pl.col("volume") + 100)))
    run(store.save_fetch_log(MINUTES, answered(1)))
    told = states(store, Interval.D1, now=NOW + timedelta(days=30))
    assert told == ALL_COMPLETE | {(symbol, LAST): "outdated" for symbol in SYMBOLS}


def test_a_symbol_without_minutes_is_reported(store: BarStore, minutes: pl.DataFrame) -> None:
    (one, other) = roll_up(store, symbols=["7203", "9984"]).outcomes
    assert (one.outcome, other.outcome, other.message) == (
        Outcome.OK,
        Outcome.NO_TRADES,
        "no 1m bars are held of these sessions",
    )


def test_a_chunk_goes_on_where_it_was_left(store: BarStore, minutes: pl.DataFrame) -> None:
    (chunk, *_) = plan(store, symbols=SYMBOLS).chunks
    heard: list[OutcomeReport] = []
    report = run(roll_up_chunk(chunk, store, start=len(chunk.symbols) - 1, on_progress=heard.append))
    assert [o.symbol for o in report.outcomes] == [chunk.symbols[-1]]
    assert heard == [report]
    assert run(roll_up_chunk(chunk, store, should_stop=lambda: True)).outcomes == ()


def test_nothing_to_roll_up_is_refused(store: BarStore) -> None:
    with pytest.raises(InvalidRequest, match="no 1m bars of synthetic are held from 2025-06-03 to 2025-06-03"):
        plan(store)


def test_a_payload_says_the_chunk(store: BarStore, minutes: pl.DataFrame) -> None:
    planned = plan(store, intervals={"5m": 2, "1d": 9})
    for chunk in planned.chunks:
        assert type(chunk).from_payload(chunk.payload(), chunk.symbols) == chunk
    assert planned.summary()["sessions"]["1d"] == {"first": DAYS[-9].isoformat(), "last": LAST.isoformat()}
    assert planned.is_final


def test_files_have_the_sessions_that_they_have(store: BarStore) -> None:
    series = BarSeries("file", Interval.M1)
    # A holiday in Japan, and a Saturday.
    days = [date(2025, 5, 5), date(2025, 5, 10), date(2025, 5, 12)]
    run(store.write(series, frame(*(bar("AAPL", at(day, 900)) for day in days))))
    planned = plan(store, provider="file", intervals={"1d": 2})
    assert planned.summary()["sessions"]["1d"] == {"first": "2025-05-10", "last": "2025-05-12"}


@pytest.mark.parametrize(
    ("symbols", "sessions", "slots", "parts"),
    [
        (1, 1, 4, [1]),
        (666, 1, 4, [666]),
        (667, 1, 4, [167, 167, 167, 166]),
        (20, 5_000, 2, [2] * 10),
        (3, 900, 4, [1] * 3),
    ],
)
def test_symbols_are_split_in_whole_rounds_of_the_slots(
    symbols: int, sessions: int, slots: int, parts: list[int]
) -> None:
    # A session has about 300 minutes, and a chunk 200,000.
    names = [str(n) for n in range(symbols)]
    split = list(_split(names, sessions, slots))
    assert [len(part) for part in split] == parts
    assert [name for part in split for name in part] == names


def test_a_long_look_back_has_eight_rounds_at_most() -> None:
    names = [str(n) for n in range(1600)]
    assert [len(part) for part in _split(names, 5_000, 4)] == [50] * 32


def test_sessions_are_read_a_week_at_a_time_from_the_earliest_to_the_last() -> None:
    spans = {Interval.M5: (date(2025, 6, 9), date(2025, 6, 16)), Interval.D1: (date(2025, 6, 2), date(2025, 6, 10))}
    part = RollUpChunk("synthetic", ("7203",), spans)
    assert list(_windows(part)) == [
        (date(2025, 6, 2), date(2025, 6, 8)),
        (date(2025, 6, 9), date(2025, 6, 15)),
        (date(2025, 6, 16), date(2025, 6, 16)),
    ]


def test_a_sentence_describes_three_days_that_differ_and_counts_the_others() -> None:
    days = [date(2025, 6, day) for day in range(2, 7)]
    ours = frame(*(bar("7203", at(day), 100.25) for day in days), bar("6758", at(days[0])))
    theirs = frame(*(bar("7203", at(day), 100.25, volume=200) for day in days), bar("6758", at(days[0]), 101.0))
    found = compare_days(ours, theirs)
    said = _describe_differences("7203", [found.head(3), found.slice(3)])
    each = [f"2025-06-0{n} volume 100, theirs 200" for n in (2, 3, 4)]
    assert said == f"5 days differ from the provider's own 1d: {'; '.join(each)}; 2 more"
    said = _describe_differences("6758", [found])
    values = "open 99, theirs 100, high 102, theirs 103, low 97, theirs 98, close 100, theirs 101"
    assert said == f"1 days differ from the provider's own 1d: 2025-06-02 {values}"
    assert _describe_differences("1301", [found]) == ""


def test_a_summary_of_a_plan_has_its_numbers(store: BarStore, minutes: pl.DataFrame) -> None:
    assert plan(store, intervals={"5m": 2}).summary() == {
        "chunks": 1,
        "session": "2025-06-03",
        "is_final": True,
        "provider": "synthetic",
        "symbols": 3,
        "sessions": {"5m": {"first": DAYS[-2].isoformat(), "last": "2025-06-03"}},
    }
    request = RollUpRequest.parse({"session": "2025-06-03", "provider": "synthetic"})
    for now, is_final in (
        (datetime(2025, 6, 3, 6, 29, 59, tzinfo=UTC), False),
        (datetime(2025, 6, 3, 6, 30, tzinfo=UTC), True),
    ):
        assert run(plan_roll_up(request, store, now=now, delay_s=3600, slots=2)).is_final is is_final
