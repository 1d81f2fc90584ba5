"""What every store promises that can drop old bars, run on the page store and on its memory twin."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from kaboom.bars.store import FETCH_LOG_SCHEMA, BarStore, CompactableStore
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import last_sessions
from kaboom.market.outcome import Outcome, OutcomeReport
from kaboom.market_data.compact import CompactChunk, CompactPlan, compact_chunk, plan_compaction
from kaboom.market_data.request import CompactRequest
from tests.bars.bar_store import run
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame, full_day, refused

LAST = date(2025, 6, 3)
DAYS = last_sessions(6, LAST)
#: Noon of the last session in Japan.
NOW = datetime(2025, 6, 3, 3, tzinfo=UTC)
SYMBOLS = ["1301", "7203"]

pytestmark = pytest.mark.parametrize("store", ["pages", "postgres", "memory"], indirect=True)


@pytest.fixture
def minutes(store: BarStore) -> pl.DataFrame:
    """Minutes of six sessions over the end of a month, what was answered for them, and one row refused on each."""
    bars = pl.concat([full_day(SYMBOLS, day, seed) for seed, day in enumerate(DAYS)]).sort("symbol", "opened_at")
    run(store.write(MINUTES, bars))
    answers = [(symbol, day, 327, NOW) for symbol in SYMBOLS for day in DAYS]
    run(store.save_fetch_log(MINUTES, pl.DataFrame(answers, schema=FETCH_LOG_SCHEMA, orient="row")))
    rows = [("7203", at(day), 1.0, 1.0, 1.0, 1.0, 1.0, "volume") for day in DAYS]
    run(store.quarantine(MINUTES, refused(*rows, ("7203", None, 1.0, 1.0, 1.0, 1.0, 1.0, "no time"))))
    return bars


def plan(store: BarStore, **keep_days: int) -> CompactPlan:
    names = {name.removeprefix("m"): days for name, days in keep_days.items()}
    return run(plan_compaction(CompactRequest.parse({"keep_days": names}), store, now=NOW))


def compact(store: BarStore, made: CompactPlan) -> OutcomeReport:
    return sum((run(compact_chunk(chunk, store)) for chunk in made.chunks), OutcomeReport())


def kept(store: BarStore, series: BarSeries = MINUTES) -> pl.DataFrame:
    span = {"start": at(date(1990, 1, 1)), "end": at(date(2100, 1, 1))}
    return pl.concat([run(store.read(series, symbol, **span)) for symbol in SYMBOLS])


def test_both_can(store: BarStore) -> None:
    assert isinstance(store, CompactableStore)


def test_a_plan_tells_what_goes_and_drops_nothing(store: BarStore, minutes: pl.DataFrame) -> None:
    # Counted back from 3 June: 28 and 29 May are older than five days, which two sessions are.
    (drop,) = plan(store, m1m=5).summary()["drops"]
    old = minutes.filter(pl.col("opened_at").dt.date() < date(2025, 5, 29))
    assert drop | {"bytes": 0} == {
        "source": "synthetic",
        "interval": "1m",
        "before": "2025-05-29",
        "sessions": 2,
        "bars": old.height,
        "bytes": 0,
    }
    assert drop["bytes"] > 0
    assert_frame_equal(kept(store), minutes)


def test_what_is_older_goes_and_the_rest_stays(store: BarStore, minutes: pl.DataFrame) -> None:
    report = compact(store, plan(store, m1m=5))
    rest = minutes.filter(pl.col("opened_at").dt.date() >= date(2025, 5, 29))
    assert_frame_equal(kept(store), rest)
    assert report.counts["bars_dropped"] == minutes.height - rest.height
    assert {o.outcome for o in report.outcomes} == {Outcome.OK}
    held = run(store.coverage(MINUTES, first=DAYS[0], last=LAST))
    assert held["session"].unique().sort().to_list() == list(DAYS[2:])
    assert run(store.verify()).faults == ()


def test_what_was_dropped_is_not_said_to_be_lost(store: BarStore, minutes: pl.DataFrame) -> None:
    compact(store, plan(store, m1m=5))
    asked = run(store.load_fetch_log(MINUTES, first=DAYS[0], last=LAST))
    assert asked["session"].unique().sort().to_list() == list(DAYS[2:])
    assert run(store.load_fetch_log(MINUTES, first=DAYS[2], last=LAST)).height == len(SYMBOLS) * 4
    assert run(store.read_quarantine(MINUTES))["opened_at"].to_list() == [None, *(at(day) for day in DAYS[2:])]


def test_again_it_does_nothing(store: BarStore, minutes: pl.DataFrame) -> None:
    compact(store, plan(store, m1m=5))
    once = kept(store)
    made = plan(store, m1m=5)
    assert made.summary()["drops"] == []
    assert "bars_dropped" not in compact(store, made).counts
    assert_frame_equal(kept(store), once)


def test_without_a_retention_everything_stays(store: BarStore, minutes: pl.DataFrame) -> None:
    made = plan(store, m5m=1)
    assert made.summary()["drops"] == []
    assert "bars_dropped" not in compact(store, made).counts
    assert_frame_equal(kept(store), minutes)


def test_a_series_of_which_nothing_is_left_is_no_series(store: BarStore) -> None:
    run(store.write(MINUTES, full_day(SYMBOLS, DAYS[0])))
    compact(store, plan(store, m1m=1))
    assert run(store.list_series()) == ()
    assert run(store.verify()).bars == 0


def test_bars_that_were_dropped_can_be_taken_again(store: BarStore, minutes: pl.DataFrame) -> None:
    compact(store, plan(store, m1m=5))
    run(store.write(MINUTES, minutes))
    assert_frame_equal(kept(store), minutes)


def test_days_go_by_whole_years(store: BarStore) -> None:
    days = [date(2023, 12, 29), date(2024, 1, 4), date(2024, 12, 30), date(2025, 1, 6)]
    run(store.write(DAILY, frame(*(bar("7203", at(day)) for day in days))))
    # Of 2024 the first half is older, and stays: a year is one page.
    made = plan(store, m1d=300)
    assert (made.summary()["drops"][0]["years"], made.summary()["drops"][0]["bars"]) == (1, 1)
    compact(store, made)
    assert kept(store, DAILY)["opened_at"].dt.date().to_list() == days[1:]


def test_refused_rows_without_a_time_are_older_than_no_day(store: BarStore) -> None:
    run(store.write(DAILY, frame(*(bar("7203", at(day)) for day in (date(2023, 12, 29), LAST)))))
    rows = [("7203", at(date(2023, 12, 29)), *[1.0] * 5, "volume"), ("7203", None, *[1.0] * 5, "no time")]
    run(store.quarantine(DAILY, refused(*rows)))
    compact(store, plan(store, m1d=300))
    assert run(store.read_quarantine(DAILY))["opened_at"].to_list() == [None]


def test_a_chunk_goes_on_where_it_was_left_and_stops_when_asked(store: BarStore, minutes: pl.DataFrame) -> None:
    (chunk,) = plan(store, m1m=5).chunks
    assert CompactChunk.from_payload(chunk.payload(), chunk.items) == chunk
    assert run(compact_chunk(chunk, store, start=len(chunk.items))).outcomes == ()
    assert run(compact_chunk(chunk, store, should_stop=lambda: True)).outcomes == ()
    assert_frame_equal(kept(store), minutes)
