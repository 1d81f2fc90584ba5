"""A day of TSE Prime on a real InfluxDB 1.x behind the shim: written twice, corrected, refused, and stormed upon."""

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from kaboom.bars.influx.layout import InfluxBuckets
from kaboom.bars.influx.store import InfluxBarStore
from kaboom.bars.influx.target import InfluxApi, InfluxTarget
from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.store import WriteReport
from kaboom.errors import StoreError
from kaboom.market.listing import Market
from kaboom.market.lists.universe import load_universe
from kaboom.market.outcome import Outcome, OutcomeReport
from tests.bars.bar_store import run
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame, full_day
from tests.fixtures.influx.influx_shim import TOKEN, Shim, shim
from tests.fixtures.influx.influx_stores import kept_lines, make_store
from tests.fixtures.influx.influxd import Influxd, influxd
from tests.fixtures.providers.synthetic_day import NOW, SESSION, ingest_day
from tests.fixtures.servers.http_servers import Response

SOME = ("1301", "1332", "6758", "7203", "9984")


def failed(report: OutcomeReport) -> dict[str, str]:
    return {o.symbol: o.message for o in report.outcomes if o.outcome is Outcome.WRITE_FAILED}


class TestFullDay:
    def test_twice_it_is_the_same_rows_and_those_that_were_made(
        self, server: Influxd, store: InfluxBarStore, front: Shim
    ) -> None:
        symbols = load_universe(Market.TSE_PRIME, SESSION).symbols
        expected = MemoryBarStore()
        made = run(ingest_day(expected, symbols))

        first = run(ingest_day(store, symbols))
        once = server.count(store.buckets.raw_1m_hot, "ohlcv_1m")
        second = run(ingest_day(store, symbols))
        twice = server.count(store.buckets.raw_1m_hot, "ohlcv_1m")

        assert first == second == made
        assert once == twice == made.rows > 400_000
        assert_frame_equal(run(store.read_session(MINUTES, SESSION)), run(expected.read_session(MINUTES, SESSION)))
        days = {"first": SESSION, "last": SESSION}
        assert_frame_equal(run(store.coverage(MINUTES, **days)), run(expected.coverage(MINUTES, **days)))
        assert_frame_equal(run(store.latest(MINUTES)), run(expected.latest(MINUTES)))
        assert {write.headers["content-encoding"] for write in front.writes} == {"gzip"}
        sys.stderr.write(f"\n{len(symbols):,} symbols, {made.rows:,} bars made, {once:,} held, again {twice:,} held\n")

    def test_so_many_points_go_in_a_request(self, store: InfluxBarStore, front: Shim) -> None:
        report = run(store.with_points(500).write(MINUTES, full_day(SOME, JUNE_2)))
        assert report == WriteReport(written=5 * 327)
        assert len(front.writes) == 4


class TestCorrections:
    def test_a_lower_value_wins_and_is_counted(self, server: Influxd, store: InfluxBarStore) -> None:
        rows = full_day(["7203"], JUNE_2)
        run(store.write(MINUTES, rows))
        lower = rows.with_columns(pl.col("low", "close") - 1, pl.col("volume") // 2)
        assert run(store.write(MINUTES, lower)) == WriteReport(written=327, changed=327)
        assert_frame_equal(run(store.read_session(MINUTES, JUNE_2)), lower)
        assert server.count(store.buckets.raw_1m_hot, "ohlcv_1m") == 327

    def test_a_flag_that_is_gone_is_gone(self, store: InfluxBarStore) -> None:
        run(store.write(MINUTES, frame(bar("7203", at(JUNE_2), flags=16))))
        run(store.write(MINUTES, frame(bar("7203", at(JUNE_2)))))
        assert run(store.latest(MINUTES))["flags"].to_list() == [0]


class TestRefusals:
    def test_a_type_conflict_fails_every_symbol_and_keeps_its_lines(
        self, server: Influxd, store: InfluxBarStore
    ) -> None:
        server.put(store.buckets.raw_1m_hot, f"ohlcv_1m,symbol=0000 volume=1i {int(NOW.timestamp())}")
        report = run(ingest_day(store, SOME))
        assert set(failed(report)) == set(SOME)
        assert all("field type conflict" in message for message in failed(report).values())
        assert report.rows == server.count(store.buckets.raw_1m_hot, "ohlcv_1m") == 0
        assert len(kept_lines(store)) == report.counts["refused_by_store"] > 1_000
        faults = run(store.verify()).faults
        assert [f.message for f in faults if "volume was of type integer" in f.message]

    def test_of_a_conflict_in_some_shards_only_what_is_missing_fails(
        self, server: Influxd, store: InfluxBarStore
    ) -> None:
        # 1.x fixes types shard by shard: of two weeks only one conflicts.
        later = date(2025, 7, 1)
        line = f"ohlcv_1m,symbol=0000 volume=1i {int(at(later, 300).timestamp())}"
        server.put(store.buckets.raw_1m_hot, line)
        rows = pl.concat([full_day(["1301"], JUNE_2), full_day(["7203"], later)])
        report = run(store.write(MINUTES, rows))
        assert (report.written, [(r.symbol, r.bars) for r in report.refused]) == (327, [("7203", 327)])
        assert run(store.read_session(MINUTES, JUNE_2))["symbol"].unique().to_list() == ["1301"]

    def test_an_unknown_bucket_is_named_and_nothing_seems_written(self, front: Shim, tmp_path: Path) -> None:
        target = InfluxTarget(front.url, TOKEN, "kaboom")
        store = make_store(target, InfluxBuckets("typo", "typo", "typo"), tmp_path / "refused.jsonl")
        with pytest.raises(StoreError, match="bucket 'typo': database not found") as error:
            run(store.write(MINUTES, full_day(SOME, JUNE_2)))
        assert not error.value.retryable
        assert [fault.where for fault in run(store.verify()).faults] == ["typo"]
        run(store.close())

    def test_what_is_beyond_retention_fails_by_symbol(self, server: Influxd, front: Shim, tmp_path: Path) -> None:
        short = InfluxBuckets(*[server.make_database(retention="30d")] * 3)
        store = make_store(InfluxTarget(front.url, TOKEN, "kaboom"), short, tmp_path / "refused.jsonl")
        recent = datetime.now(UTC).date()
        rows = frame(bar("1301", at(recent)), bar("7203", at(recent)), bar("7203", at(JUNE_2)), bar("9984", at(JUNE_2)))
        report = run(store.write(DAILY, rows))
        assert report.written == server.count(short.agg_1d, "ohlcv_1d") == 2
        assert [(r.symbol, r.bars) for r in report.refused] == [("7203", 1), ("9984", 1)]
        assert "retention policy" in report.refused[0].reason
        assert len(kept_lines(store)) == 2
        run(store.close())

    def test_a_request_over_the_servers_limit_is_halved(self, tmp_path: Path) -> None:
        with influxd(tmp_path, max_body=5_000) as small, shim(small.url) as front:
            buckets = InfluxBuckets(*(small.make_database() for _ in range(3)))
            store = make_store(InfluxTarget(front.url, TOKEN, "kaboom"), buckets, tmp_path / "refused.jsonl")
            report = run(ingest_day(store, SOME))
            assert failed(report) == {}
            assert small.count(buckets.raw_1m_hot, "ohlcv_1m") == report.rows
            assert 413 in front.statuses
            run(store.close())


class TestStorms:
    def test_one_of_503_is_sat_out(self, server: Influxd, store: InfluxBarStore, front: Shim) -> None:
        front.faults = [Response(503, b"", {"Retry-After": "2"}) for _ in range(20)]
        report = run(ingest_day(store, SOME))
        assert failed(report) == {}
        assert front.statuses == [*[503] * 20, *[204] * (len(front.statuses) - 20)]
        assert server.count(store.buckets.raw_1m_hot, "ohlcv_1m") == report.rows

    def test_one_without_an_end_fails_the_symbols_and_says_why(
        self, server: Influxd, store: InfluxBarStore, front: Shim
    ) -> None:
        front.faults = [Response(503, b"", {"Retry-After": "40"}) for _ in range(99)]
        report = run(ingest_day(store, SOME))
        assert set(failed(report)) == set(SOME)
        assert all("answered 503 and asked for 40 s after 80 s" in message for message in failed(report).values())
        assert report.rows == server.count(store.buckets.raw_1m_hot, "ohlcv_1m") == 0
        assert len(front.statuses) == 3

    def test_after_it_the_same_job_writes_everything(self, server: Influxd, store: InfluxBarStore, front: Shim) -> None:
        front.faults = [Response(429, b"", {"Retry-After": "300"})]
        assert set(failed(run(ingest_day(store, SOME)))) == set(SOME)
        report = run(ingest_day(store, SOME))
        assert failed(report) == {}
        assert server.count(store.buckets.raw_1m_hot, "ohlcv_1m") == report.rows


class TestLimits:
    def test_a_servers_limit_of_rows_cuts_nothing_off(self, tmp_path: Path) -> None:
        with influxd(tmp_path, most_rows=500) as small:
            buckets = InfluxBuckets(*(small.make_database() for _ in range(3)))
            store = make_store(InfluxTarget(small.url, api=InfluxApi.V1), buckets, tmp_path / "refused.jsonl")
            rows = full_day(SOME, JUNE_2)
            run(store.write(MINUTES, rows))
            assert_frame_equal(run(store.read_session(MINUTES, JUNE_2)), rows)
            assert run(store.coverage(MINUTES, first=JUNE_2, last=JUNE_2))["bars"].to_list() == [327] * 5
            run(store.close())


class TestUsers:
    def test_v1_shows_a_user_and_a_password(self, tmp_path: Path) -> None:
        with influxd(tmp_path, admin="kaboom:pa55word") as guarded:
            buckets = InfluxBuckets(*(guarded.make_database() for _ in range(3)))
            mine = InfluxTarget(guarded.url, "kaboom:pa55word", api=InfluxApi.V1)
            store = make_store(mine, buckets, tmp_path / "refused.jsonl")
            assert run(store.write(MINUTES, full_day(SOME, JUNE_2))).written == 5 * 327
            run(store.close())
            wrong = make_store(InfluxTarget(guarded.url, "kaboom:wr0ng", api=InfluxApi.V1), buckets, tmp_path / "r")
            with pytest.raises(StoreError, match="refused the token with 401") as error:
                run(wrong.write(MINUTES, full_day(SOME, JUNE_2)))
            assert "wr0ng" not in str(error.value)
            run(wrong.close())
