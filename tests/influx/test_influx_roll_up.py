"""A roll-up in a real InfluxDB 1.x: the page store's bar for bar, the server's own aggregates, and no more points."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from kaboom.bars.influx.store import InfluxBarStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.store import BarStore
from kaboom.market.bar import BAR_SCHEMA, BarFlag, BarSeries
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.lists.universe import load_universe
from kaboom.market.outcome import Outcome, OutcomeReport
from kaboom.market.roll_up import roll_up_bars
from kaboom.market_data.request import LONGER, RollUpRequest
from kaboom.market_data.roll_up import roll_up_chunk
from kaboom.market_data.roll_up_plan import plan_roll_up
from tests.bars.bar_store import run
from tests.fixtures.bars.stored_bars import DAILY, MINUTES
from tests.fixtures.influx.influxd import Influxd
from tests.fixtures.providers.synthetic_day import NOW, SESSION, ingest_day

#: Forty of the section, from its most traded to its least.
SYMBOLS = sorted(load_universe(Market.TSE_PRIME, SESSION).symbols)[::40]
_VALUES = ("open", "high", "low", "close", "volume")
_AGGREGATES = 'first("open"), max("high"), min("low"), last("close"), sum("volume")'


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[PageBarStore]:
    made = PageBarStore(tmp_path / "bars")
    yield made
    run(made.close())


def roll_up(store: BarStore) -> OutcomeReport:
    request = RollUpRequest.parse({"session": SESSION.isoformat(), "provider": "synthetic"})
    plan = run(plan_roll_up(request, store, now=NOW, delay_s=3600, slots=2))
    return sum((run(roll_up_chunk(chunk, store)) for chunk in plan.chunks), OutcomeReport())


def rolled_up(store: BarStore, interval: Interval) -> pl.DataFrame:
    return run(store.read_session(BarSeries("synthetic_from_1m", interval), SESSION))


def points(server: Influxd, store: InfluxBarStore) -> dict[Interval, int]:
    return {interval: server.count(store.buckets.of(interval), f"ohlcv_{interval}") for interval in LONGER}


def aggregated(server: Influxd, store: InfluxBarStore, interval: Interval) -> pl.DataFrame:
    """What the server makes of its minutes by itself."""
    by = f'GROUP BY time({interval}), "symbol" fill(none)'
    text = f'SELECT {_AGGREGATES} FROM "ohlcv_1m" WHERE "source" = \'synthetic\' {by}'
    found = server.command(text, db=store.buckets.raw_1m_hot, epoch="u")["series"]
    rows = [(series["tags"]["symbol"], *row) for series in found for row in series["values"]]
    columns = ("symbol", "opened_at", *_VALUES)
    schema = {"symbol": pl.String(), "opened_at": pl.Int64(), **dict.fromkeys(_VALUES, pl.Float64())}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.cast({name: BAR_SCHEMA[name] for name in columns}).sort("symbol", "opened_at")


class TestOneDay:
    def test_it_is_the_page_stores_bar_for_bar(self, store: InfluxBarStore, pages: PageBarStore) -> None:
        assert run(ingest_day(store, SYMBOLS)) == run(ingest_day(pages, SYMBOLS))
        report = roll_up(store)
        assert report == roll_up(pages)
        assert [o.symbol for o in report.outcomes if o.outcome is Outcome.OK] == SYMBOLS
        for interval in LONGER:
            bars = rolled_up(store, interval)
            assert bars.height == report.counts[f"bars_{interval}"] >= len(SYMBOLS)
            assert_frame_equal(bars, rolled_up(pages, interval), check_exact=True)

    # The server cuts time as `roll_up_bars`, from 1970 and in UTC, and a session is one UTC day: 5m, 15m and the day
    # are the same bars, those of the two auctions too. That of the close, 15:30 JST, is the first stamp of a bucket of
    # its own in both, with 15:25 to 15:29 empty, and that of 11:30 likewise; an hour is cut at 12:00 JST in both, in
    # the middle of the break. So all four compare whole. The server adds up no flags: those are left out.
    @pytest.mark.parametrize("interval", LONGER)
    def test_it_is_what_the_server_aggregates_itself(
        self, server: Influxd, store: InfluxBarStore, interval: Interval
    ) -> None:
        run(ingest_day(store, SYMBOLS))
        roll_up(store)
        bars = rolled_up(store, interval)
        assert_frame_equal(bars.drop("flags"), aggregated(server, store, interval), check_exact=True)
        if interval is Interval.M5:
            closes = bars.filter(pl.col("opened_at").dt.strftime("%H:%M") == "06:30")
            assert closes.height > len(SYMBOLS) / 2
            assert closes.filter(pl.any_horizontal(pl.col("open", "high", "low") != pl.col("close"))).is_empty()

    def test_twice_it_is_the_same_points(self, server: Influxd, store: InfluxBarStore) -> None:
        run(ingest_day(store, SYMBOLS))
        first = roll_up(store)
        once, minutes = points(server, store), server.count(store.buckets.raw_1m_hot, "ohlcv_1m")
        assert roll_up(store) == first
        assert points(server, store) == once
        assert sum(once.values()) == first.rows
        assert server.count(store.buckets.raw_1m_hot, "ohlcv_1m") == minutes

    def test_the_providers_own_days_are_left_alone_and_compared(self, store: InfluxBarStore) -> None:
        run(ingest_day(store, SYMBOLS))
        run(ingest_day(store, SYMBOLS, Interval.D1))
        own = run(store.read_session(DAILY, SESSION))
        lower = own.with_columns(
            pl.when(pl.col("symbol") == SYMBOLS[3]).then(pl.col("low") - 1).otherwise(pl.col("low"))
        )
        run(store.write(DAILY, lower))
        report = roll_up(store)
        assert report.counts["days_compared"] == len(SYMBOLS)
        assert report.counts["days_differ"] >= 1
        assert_frame_equal(run(store.read_session(DAILY, SESSION)), lower)
        days = rolled_up(store, Interval.D1)
        flagged = days.filter(pl.col("flags") & BarFlag.DAY_DIFFERS != 0)["symbol"].to_list()
        assert SYMBOLS[3] in flagged
        assert flagged == [o.symbol for o in report.outcomes if o.message]

    def test_a_late_minute_is_taken_up_and_counted_once(self, server: Influxd, store: InfluxBarStore) -> None:
        run(ingest_day(store, SYMBOLS))
        minutes = run(store.read_session(MINUTES, SESSION))
        roll_up(store)
        once = points(server, store)
        late = minutes.filter(pl.col("symbol") == SYMBOLS[0]).head(1).with_columns(pl.col("volume") + 100)
        run(store.write(MINUTES, late))
        roll_up(store)
        assert points(server, store) == once
        now = run(store.read_session(MINUTES, SESSION))
        for interval in LONGER:
            assert_frame_equal(rolled_up(store, interval), roll_up_bars(now, interval), check_exact=True)


def test_it_is_a_series_of_its_own(store: InfluxBarStore) -> None:
    run(ingest_day(store, SYMBOLS[:5]))
    report = roll_up(store)
    derived = {BarSeries("synthetic_from_1m", interval) for interval in LONGER}
    assert set(run(store.list_series())) == {MINUTES, *derived}
    held = {s: run(store.coverage(s, first=SESSION, last=SESSION))["bars"].sum() for s in (MINUTES, *derived)}
    assert {s.interval: bars for s, bars in held.items() if s in derived} == {
        interval: report.counts[f"bars_{interval}"] for interval in LONGER
    }
    health = run(store.verify())
    assert (health.faults, health.bars) == ((), sum(held.values()))
