"""What every bar store promises; a file of tests gives the class a `store` and runs it."""

import asyncio
import atexit
from collections.abc import Coroutine
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from kaboom.bars.store import (
    COVERAGE_SCHEMA,
    FETCH_LOG_SCHEMA,
    MOST_CORRECTIONS,
    QUARANTINE_SCHEMA,
    BarStore,
    Correction,
    WriteReport,
)
from kaboom.errors import InvalidRequest, StoreError
from kaboom.market.bar import BAR_SCHEMA, BarFlag, BarSeries, empty_bars
from kaboom.market.interval import Interval
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame, full_day, refused

JUNE_3, JUNE_30, JULY_1 = date(2025, 6, 3), date(2025, 6, 30), date(2025, 7, 1)


def run[T](work: Coroutine[Any, Any, T]) -> T:
    """Run on the one loop of the test process, as a worker's stores live on one."""
    return _RUNNER.run(work)


_RUNNER = asyncio.Runner()
atexit.register(_RUNNER.close)


def everything(store: BarStore, series: BarSeries, symbol: str) -> pl.DataFrame:
    return run(store.read(series, symbol, start=at(date(1950, 1, 1)), end=at(date(2100, 1, 1))))


def answers(*cells: tuple[str, date, int], hour: int = 8) -> pl.DataFrame:
    rows = [(*cell, datetime(2025, 7, 2, hour, 30, 0, 123456, UTC)) for cell in cells]
    return pl.DataFrame(rows, schema=FETCH_LOG_SCHEMA, orient="row")


class BarStoreContract:
    """The promises of `BarStore`."""

    def test_gives_back_what_was_written(self, store: BarStore) -> None:
        bars = full_day(["1301", "7203", "285A"], JUNE_2).sort("symbol", "opened_at")

        report = run(store.write(MINUTES, bars))

        assert report == WriteReport(written=3 * 327, changed=0)
        assert_frame_equal(run(store.read_session(MINUTES, JUNE_2)), bars)
        assert_frame_equal(everything(store, MINUTES, "7203"), bars.filter(pl.col("symbol") == "7203"))

    def test_a_version_changes_with_every_write_and_with_nothing_else(self, store: BarStore) -> None:
        versions = [run(store.version())]
        if versions == [None]:
            return  # it cannot tell
        for minute in range(3):
            run(store.write(MINUTES, frame(bar("7203", at(JUNE_2, minute)))))
            versions.append(run(store.version()))
            run(store.save_fetch_log(MINUTES, answers(("7203", JUNE_2, minute), hour=9 + minute)))
            versions.append(run(store.version()))
            run(store.coverage(MINUTES, first=JUNE_2, last=JUNE_3))
            assert run(store.version()) == versions[-1]
        assert len(set(versions)) == len(versions)

    def test_writing_again_changes_nothing(self, store: BarStore) -> None:
        bars = full_day(["1301", "7203"], JUNE_2)
        run(store.write(MINUTES, bars))

        assert run(store.write(MINUTES, bars)) == WriteReport(written=2 * 327, changed=0)
        assert_frame_equal(run(store.read_session(MINUTES, JUNE_2)), bars)

    def test_corrections_are_reported_with_old_and_new_values(self, store: BarStore) -> None:
        run(store.write(MINUTES, frame(*(bar("7203", at(JUNE_2, m), 100) for m in range(4)))))
        run(store.write(MINUTES, frame(bar("6758", at(JUNE_2), 50), bar("6758", at(JUNE_3), 50))))

        later = frame(
            bar("6758", at(JUNE_2), 51),
            bar("7203", at(JUNE_2, 0), 100),
            bar("7203", at(JUNE_2, 1), 100, flags=1),
            bar("7203", at(JUNE_2, 2), 100, volume=300),
            bar("7203", at(JUNE_2, 9), 300),
        )
        report = run(store.write(MINUTES, later))
        assert (report.changed, report.corrected) == (3, 2)
        assert report.corrections == (
            Correction("6758", at(JUNE_2), (49, 52, 47, 50, 100), (50, 53, 48, 51, 100)),
            Correction("7203", at(JUNE_2, 2), (99, 102, 97, 100, 100), (99, 102, 97, 100, 300)),
        )

    def test_only_the_first_corrections_are_reported(self, store: BarStore) -> None:
        day = full_day(["1301"], JUNE_2)
        run(store.write(MINUTES, day))
        report = run(store.write(MINUTES, day.with_columns(volume=pl.col("volume") + 1)))
        assert (report.changed, report.corrected, len(report.corrections)) == (327, 327, MOST_CORRECTIONS)

    def test_answers_are_kept(self, store: BarStore) -> None:
        told = answers(("1301", JUNE_2, 0), ("7203", JUNE_2, 327), ("7203", JUNE_3, 327), ("7203", JULY_1, 300))
        run(store.save_fetch_log(MINUTES, told))
        run(store.save_fetch_log(DAILY, answers(("7203", JUNE_2, 1))))

        assert_frame_equal(run(store.load_fetch_log(MINUTES, first=JUNE_2, last=JULY_1)), told)
        assert_frame_equal(run(store.load_fetch_log(MINUTES, first=JUNE_3, last=JUNE_30)), told[2:3])
        assert run(store.load_fetch_log(MINUTES, first=JULY_1, last=JUNE_2)).is_empty()
        assert run(store.load_fetch_log(BarSeries("file", Interval.M1), first=JUNE_2, last=JULY_1)).is_empty()
        assert run(store.coverage(MINUTES, first=JUNE_2, last=JULY_1)).is_empty()
        assert run(store.read_session(MINUTES, JUNE_2)).is_empty()

    def test_the_newest_answer_counts(self, store: BarStore) -> None:
        week = [JUNE_2 + timedelta(days=n) for n in range(5)]
        run(store.save_fetch_log(DAILY, answers(*(("7203", day, 1) for day in week))))
        later = answers(("7203", week[2], 0), ("7203", week[4], 1), hour=9)
        run(store.save_fetch_log(DAILY, later))

        found = run(store.load_fetch_log(DAILY, first=week[0], last=week[4]))
        known = found.filter(pl.col("session").is_in(week))
        assert known["bars"].to_list() == [1, 1, 0, 1, 1]
        assert known["asked_at"].dt.hour().to_list() == [8, 8, 9, 8, 9]

    @pytest.mark.parametrize("series", [MINUTES, DAILY])
    def test_of_answers_at_the_same_time_the_last_one_counts(self, store: BarStore, series: BarSeries) -> None:
        week = [JUNE_2 + timedelta(days=n) for n in range(5)]
        run(store.save_fetch_log(series, answers(*(("7203", day, 1) for day in week))))
        run(store.save_fetch_log(series, answers(("7203", week[1], 3), ("7203", week[2], 3))))
        run(store.save_fetch_log(series, answers(("7203", week[2], 5))))
        for first, last in ((0, 4), (1, 1), (1, 2), (2, 2), (3, 3)):
            found = run(store.load_fetch_log(series, first=week[first], last=week[last]))
            assert found["bars"].to_list() == [1, 3, 5, 1, 1][first : last + 1]

    def test_the_last_write_wins(self, store: BarStore) -> None:
        run(store.write(MINUTES, frame(*(bar("7203", at(JUNE_2, m), 100) for m in range(5)))))

        later = frame(*(bar("7203", at(JUNE_2, m), 100 if m < 3 else 200) for m in range(5)))
        assert run(store.write(MINUTES, later)) == WriteReport(written=5, changed=2)
        assert everything(store, MINUTES, "7203")["close"].to_list() == [100, 100, 100, 200, 200]

    def test_a_change_of_any_value_counts(self, store: BarStore) -> None:
        run(store.write(MINUTES, frame(bar("7203", at(JUNE_2), 100), bar("7203", at(JUNE_2, 1), 100))))

        volume = frame(bar("7203", at(JUNE_2), 100, volume=7))
        flagged = frame(bar("7203", at(JUNE_2, 1), 100, flags=BarFlag.CORRECTED))
        assert run(store.write(MINUTES, volume)).changed == 1
        assert run(store.write(MINUTES, flagged)).changed == 1
        assert everything(store, MINUTES, "7203")["volume"].to_list() == [7, 100]

    def test_partly_overlapping_writes_merge(self, store: BarStore) -> None:
        run(store.write(MINUTES, frame(*(bar("7203", at(JUNE_2, m), 1) for m in (0, 2, 4, 6)))))
        run(store.write(MINUTES, frame(*(bar("1301", at(JUNE_2, m), 5) for m in (0, 1)))))

        both = frame(
            *(bar("1301", at(JUNE_2, m), 5) for m in (1, 2)),
            *(bar("7203", at(JUNE_2, m), 2) for m in (3, 4, 5, 9)),
        )
        assert run(store.write(MINUTES, both)) == WriteReport(written=6, changed=1)
        merged = everything(store, MINUTES, "7203")
        assert merged["opened_at"].to_list() == [at(JUNE_2, m) for m in (0, 2, 3, 4, 5, 6, 9)]
        assert merged["close"].to_list() == [1, 1, 2, 2, 2, 1, 2]
        assert len(everything(store, MINUTES, "1301")) == 3

    def test_unsorted_and_repeated_input_is_sorted_and_the_last_stays(self, store: BarStore) -> None:
        rows = frame(
            bar("7203", at(JUNE_2, 5), 1),
            bar("1301", at(JUNE_2, 1), 2),
            bar("7203", at(JUNE_2, 0), 3),
            bar("7203", at(JUNE_2, 5), 4),
        )

        assert run(store.write(MINUTES, rows)) == WriteReport(written=3, changed=0)
        session = run(store.read_session(MINUTES, JUNE_2))
        assert session["symbol"].to_list() == ["1301", "7203", "7203"]
        assert session["close"].to_list() == [2, 3, 4]

    def test_an_empty_store_answers_with_empty_frames(self, store: BarStore) -> None:
        assert run(store.write(MINUTES, empty_bars())) == WriteReport(written=0, changed=0)
        for found in (
            everything(store, MINUTES, "7203"),
            run(store.read_session(MINUTES, JUNE_2)),
            run(store.latest(MINUTES)),
        ):
            assert found.schema == BAR_SCHEMA
            assert found.is_empty()
        covered = run(store.coverage(MINUTES, first=JUNE_2, last=JUNE_3))
        assert covered.schema == COVERAGE_SCHEMA
        assert covered.is_empty()
        assert run(store.read_quarantine(MINUTES)).schema == QUARANTINE_SCHEMA
        assert run(store.last_closes(MINUTES, ["7203"], before=JUNE_3)) == {}
        assert run(store.list_series()) == ()
        assert run(store.verify()).faults == ()

    def test_what_is_not_there_is_empty(self, store: BarStore) -> None:
        run(store.write(MINUTES, full_day(["7203"], JUNE_2)))

        assert everything(store, MINUTES, "1301").is_empty()
        assert run(store.read_session(MINUTES, JUNE_3)).is_empty()
        assert run(store.coverage(MINUTES, first=JUNE_3, last=JUNE_2)).is_empty()
        nothing = run(store.read(MINUTES, "7203", start=at(JUNE_3), end=at(JUNE_2)))
        assert nothing.schema == BAR_SCHEMA
        assert nothing.is_empty()

    def test_a_range_includes_its_start_and_not_its_end(self, store: BarStore) -> None:
        run(store.write(MINUTES, frame(*(bar("7203", at(JUNE_2, m), m + 1) for m in range(10)))))

        part = run(store.read(MINUTES, "7203", start=at(JUNE_2, 3), end=at(JUNE_2, 6)))
        assert part["close"].to_list() == [4, 5, 6]
        half = timedelta(microseconds=1)
        part = run(store.read(MINUTES, "7203", start=at(JUNE_2, 3) + half, end=at(JUNE_2, 6) + half))
        assert part["close"].to_list() == [5, 6, 7]
        # A second of a session, and of a year of daily bars, is enough.
        second = timedelta(seconds=1)
        for series, first in ((MINUTES, JUNE_3), (DAILY, date(2026, 1, 1))):
            run(store.write(series, frame(bar("9984", at(first)), bar("9984", at(first - timedelta(days=1))))))
            for end, bars in ((at(first), 1), (at(first) + second, 2)):
                assert run(store.read(series, "9984", start=at(first) - timedelta(days=7), end=end)).height == bars

    def test_a_range_without_a_zone_is_refused(self, store: BarStore) -> None:
        with pytest.raises(InvalidRequest, match="time zone"):
            run(store.read(MINUTES, "7203", start=datetime(2025, 6, 2), end=at(JUNE_3)))  # noqa: DTZ001

    def test_sessions_and_months_join_in_order(self, store: BarStore) -> None:
        days = [JULY_1, JUNE_2, date(2026, 1, 5), JUNE_30]
        run(store.write(MINUTES, frame(*(bar("7203", at(d, m), d.day) for d in days for m in (0, 1)))))

        found = everything(store, MINUTES, "7203")
        assert found["close"].to_list() == [2, 2, 30, 30, 1, 1, 5, 5]
        part = run(store.read(MINUTES, "7203", start=at(JUNE_30), end=at(date(2025, 12, 31))))
        assert part["close"].to_list() == [30, 30, 1, 1]
        assert len(run(store.read_session(MINUTES, JULY_1))) == 2

    def test_years_of_daily_bars_join_in_order(self, store: BarStore) -> None:
        days = [date(y, m, 4) for y in (1999, 2024, 2025) for m in (1, 12)]
        run(store.write(DAILY, frame(*(bar(s, at(d), d.year) for s in ("1301", "7203") for d in days))))

        assert everything(store, DAILY, "7203")["close"].to_list() == [1999, 1999, 2024, 2024, 2025, 2025]
        part = run(store.read(DAILY, "7203", start=at(date(1999, 12, 4)), end=at(date(2025, 1, 4))))
        assert part["opened_at"].to_list() == [at(d) for d in days[1:4]]
        session = run(store.read_session(DAILY, date(2024, 12, 4)))
        assert session["symbol"].to_list() == ["1301", "7203"]

    def test_flags_are_kept(self, store: BarStore) -> None:
        both = BarFlag.JUMP | BarFlag.CORRECTED
        rows = frame(
            bar("1301", at(JUNE_2)),
            bar("7203", at(JUNE_2), flags=both),
            bar("7203", at(JUNE_2, 1)),
            bar("7203", at(JUNE_2, 2), flags=65_535),
        )
        run(store.write(MINUTES, rows))

        assert_frame_equal(run(store.read_session(MINUTES, JUNE_2)), rows)
        assert run(store.latest(MINUTES))["flags"].to_list() == [0, 65_535]

    def test_coverage_counts_bars_and_flags_per_session(self, store: BarStore) -> None:
        rows = frame(
            bar("7203", at(JUNE_2, 1), flags=BarFlag.JUMP),
            bar("7203", at(JUNE_2, 5), flags=BarFlag.THIN),
            bar("7203", at(JUNE_2, 7)),
            bar("7203", at(JULY_1, 2)),
            bar("1301", at(JUNE_3, 0)),
        )
        run(store.write(MINUTES, rows))

        covered = run(store.coverage(MINUTES, first=JUNE_2, last=JULY_1))
        assert covered.schema == COVERAGE_SCHEMA
        assert covered.rows() == [
            ("1301", JUNE_3, 1, at(JUNE_3), at(JUNE_3), 0, 0),
            ("7203", JUNE_2, 3, at(JUNE_2, 1), at(JUNE_2, 7), 2, BarFlag.JUMP | BarFlag.THIN),
            ("7203", JULY_1, 1, at(JULY_1, 2), at(JULY_1, 2), 0, 0),
        ]
        assert run(store.coverage(MINUTES, first=JUNE_3, last=JUNE_30))["symbol"].to_list() == ["1301"]

    def test_coverage_of_daily_bars_is_per_session_too(self, store: BarStore) -> None:
        days = [date(2024, 12, 30), date(2025, 1, 6), date(2025, 1, 7)]
        run(store.write(DAILY, frame(*(bar("7203", at(d), flags=d.day == 7) for d in days))))

        covered = run(store.coverage(DAILY, first=days[0], last=days[2]))
        assert covered["session"].to_list() == days
        assert covered["flagged"].to_list() == [0, 0, 1]
        assert run(store.coverage(DAILY, first=days[1], last=days[1]))["bars"].to_list() == [1]

    def test_latest_is_the_newest_bar_of_each_symbol_in_any_month(self, store: BarStore) -> None:
        run(store.write(MINUTES, frame(bar("7203", at(JULY_1, 3), 7), bar("1301", at(JUNE_2, 9), 8))))
        run(store.write(MINUTES, frame(bar("7203", at(JUNE_30, 9), 1), bar("7203", at(JULY_1, 1), 2))))

        newest = run(store.latest(MINUTES))
        assert_frame_equal(newest, frame(bar("1301", at(JUNE_2, 9), 8), bar("7203", at(JULY_1, 3), 7)))

    def test_latest_of_some_symbols_is_theirs_alone(self, store: BarStore) -> None:
        run(store.write(MINUTES, frame(bar("7203", at(JULY_1, 3), 7), bar("1301", at(JUNE_2, 9), 8))))
        assert run(store.latest(MINUTES, ["1301", "9999"]))["symbol"].to_list() == ["1301"]
        assert run(store.latest(MINUTES, ["7203", "1301"]))["close"].to_list() == [8, 7]
        assert run(store.latest(MINUTES, ["9999"])).is_empty()

    def test_last_closes_look_only_before_the_session(self, store: BarStore) -> None:
        rows = [bar("7203", at(d, m), d.day * 10 + m) for d in (JUNE_2, JUNE_30, JULY_1) for m in (0, 1)]
        run(store.write(MINUTES, frame(*rows, bar("1301", at(JULY_1), 5))))

        wanted = ["7203", "1301", "9999"]
        assert run(store.last_closes(MINUTES, wanted, before=JULY_1)) == {"7203": 301}
        assert run(store.last_closes(MINUTES, wanted, before=date(2025, 7, 9))) == {"7203": 11, "1301": 5}
        assert run(store.last_closes(MINUTES, wanted, before=JUNE_30)) == {"7203": 21}
        assert run(store.last_closes(MINUTES, wanted, before=JUNE_2)) == {}
        assert run(store.last_closes(MINUTES, [], before=JULY_1)) == {}

    @pytest.mark.parametrize("series", [MINUTES, DAILY])
    def test_last_closes_of_some_symbols_are_theirs_alone(self, store: BarStore, series: BarSeries) -> None:
        rows = [("1301", date(2024, 6, 3), 1), ("6758", JUNE_2, 2), ("7203", JUNE_30, 3), ("9984", JUNE_30, 4)]
        run(store.write(series, frame(*(bar(symbol, at(day), close) for symbol, day, close in rows))))
        closes = {symbol: close for symbol, _, close in rows}
        for wanted in (["1301"], ["6758", "9984"], ["1301", "7203"], sorted(closes)):
            assert run(store.last_closes(series, wanted, before=JULY_1)) == {each: closes[each] for each in wanted}

    def test_last_closes_of_daily_bars(self, store: BarStore) -> None:
        days = [date(2024, 12, 30), date(2025, 1, 6), date(2025, 1, 7)]
        run(store.write(DAILY, frame(*(bar("7203", at(d), d.day) for d in days))))

        found = {d: run(store.last_closes(DAILY, ["7203"], before=d)).get("7203") for d in days}
        assert found == {days[0]: None, days[1]: 30, days[2]: 6}
        assert run(store.last_closes(DAILY, ["7203"], before=date(2026, 3, 1))) == {"7203": 7}

    def test_sources_and_intervals_never_mix(self, store: BarStore) -> None:
        kinds = [BarSeries(s, i) for s in ("synthetic", "yahoo") for i in (Interval.M1, Interval.M5)]
        for close, series in enumerate(kinds, start=1):
            run(store.write(series, frame(bar("7203", at(JUNE_2), close))))

        for close, series in enumerate(kinds, start=1):
            assert everything(store, series, "7203")["close"].to_list() == [close]
            assert run(store.latest(series))["close"].to_list() == [close]
        assert run(store.list_series()) == tuple(kinds)

    @pytest.mark.parametrize("source", ["", "..", "../real", "a/b", "Yahoo", "1x", "a\n", "a.b"])
    def test_a_source_that_could_leave_its_place_is_refused(self, store: BarStore, source: str) -> None:
        series = BarSeries(source, Interval.M1)
        with pytest.raises(InvalidRequest, match="source was"):
            run(store.write(series, frame(bar("7203", at(JUNE_2)))))
        with pytest.raises(InvalidRequest, match="source was"):
            run(store.latest(series))

    @pytest.mark.parametrize(
        "broken",
        [
            pl.lit(None, pl.Float64).alias("close"),
            pl.lit(float("nan")).alias("open"),
            pl.lit(float("inf")).alias("high"),
            pl.lit(None, pl.String).alias("symbol"),
            pl.col("volume").cast(pl.Float64),
            pl.col("opened_at").dt.replace_time_zone(None),
            pl.col("opened_at") + timedelta(microseconds=1),
            pl.col("opened_at").dt.offset_by("-400y"),
            pl.col("close").alias("extra"),
        ],
    )
    def test_a_frame_not_fit_to_store_is_refused_whole(self, store: BarStore, broken: pl.Expr) -> None:
        bars = frame(bar("7203", at(JUNE_2)), bar("7203", at(JUNE_2, 1)))
        with pytest.raises(StoreError) as refusal:
            run(store.write(MINUTES, bars.with_columns(broken)))
        assert not refusal.value.retryable
        assert run(store.read_session(MINUTES, JUNE_2)).is_empty()

    def test_quarantine_keeps_a_row_once_per_key(self, store: BarStore) -> None:
        rows = refused(
            ("7203", at(JUNE_2), 1.0, None, float("nan"), -4.0, 0.5, "negative_price"),
            ("7203", at(JUNE_2), 1.0, None, None, -4.0, 0.5, "off_grid"),
            ("1301", at(JULY_1), 1.0, 2.0, 3.0, 4.0, 5.0, "off_grid"),
            ("7203", None, 1.0, 2.0, 3.0, 4.0, 5.0, "no_time"),
        )
        assert run(store.quarantine(MINUTES, rows)) == 4
        assert run(store.quarantine(MINUTES, rows)) == 0

        kept = run(store.read_quarantine(MINUTES))
        assert kept.schema == QUARANTINE_SCHEMA
        assert kept.select("symbol", "opened_at", "reason", "low").rows() == [
            ("1301", at(JULY_1), "off_grid", 3.0),
            ("7203", None, "no_time", 3.0),
            ("7203", at(JUNE_2), "negative_price", None),
            ("7203", at(JUNE_2), "off_grid", None),
        ]
        assert run(store.read_quarantine(MINUTES, "1301"))["close"].to_list() == [4.0]
        assert run(store.read_session(MINUTES, JUNE_2)).is_empty()
        assert run(store.list_series()) == (MINUTES,)

    def test_a_rejected_row_names_its_file_and_line(self, store: BarStore) -> None:
        values = (1.0, 1.0, 1.0, 1.0, 1.0, "off_grid")
        rows = refused(("1301", at(JUNE_2), *values), ("7203", at(JUNE_2), *values, 'a "b"/七.csv', 17))
        assert run(store.quarantine(DAILY, rows)) == 2
        assert run(store.read_quarantine(DAILY))["file", "line"].rows() == [(None, None), ('a "b"/七.csv', 17)]

    def test_rows_without_a_time_are_kept_by_file_and_line(self, store: BarStore) -> None:
        values = (1.0, 1.0, 1.0, 1.0, 1.0, "unreadable")
        places = [("7203.csv", 3), ("7203.csv", 4), ("more/7203.csv", 3)]
        rows = refused(*(("7203", None, *values, *place) for place in places))
        assert run(store.quarantine(DAILY, rows)) == 3
        assert run(store.quarantine(DAILY, rows)) == 0
        kept = run(store.read_quarantine(DAILY))
        assert sorted(kept["file", "line"].rows()) == places
        assert kept["opened_at"].null_count() == 3

    def test_a_quarantined_row_takes_its_newest_values(self, store: BarStore) -> None:
        for close in (1.0, 2.0):
            run(store.quarantine(DAILY, refused(("7203", at(JUNE_2), 1.0, 1.0, 1.0, close, 1.0, "x"))))
        assert run(store.read_quarantine(DAILY))["close"].to_list() == [2.0]
        with pytest.raises(StoreError, match="columns were"):
            run(store.quarantine(DAILY, empty_bars()))

    def test_verify_counts_every_bar(self, store: BarStore) -> None:
        run(store.write(MINUTES, full_day(["1301", "7203"], JUNE_2)))
        run(store.write(DAILY, frame(bar("7203", at(JUNE_2)), bar("7203", at(date(2024, 6, 3))))))

        health = run(store.verify())
        assert health.bars == 2 * 327 + 2
        assert health.faults == ()
        assert health.bytes != 0

    def test_concurrent_writes_and_reads_lose_nothing(self, store: BarStore) -> None:
        async def write_all() -> None:
            parts = [frame(*(bar("7203", at(JUNE_2, m), m + 1) for m in range(k, 60, 6))) for k in range(6)]
            reads = [store.read_session(MINUTES, JUNE_2) for _ in range(6)]
            await asyncio.gather(*(store.write(MINUTES, p) for p in parts), *reads)

        run(write_all())
        assert everything(store, MINUTES, "7203")["close"].to_list() == list(range(1, 61))
