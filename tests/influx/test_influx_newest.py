"""The newest bars of a long history: by symbols whose last bar is new, months old, years old, or not there at all."""

import re
from datetime import UTC, date, datetime

import polars as pl

from kaboom.bars.influx.ql import MOST_SYMBOLS
from kaboom.bars.influx.store import InfluxBarStore
from tests.bars.bar_store import run
from tests.fixtures.bars.stored_bars import DAILY, bar, frame
from tests.fixtures.influx.influx_shim import Shim
from tests.fixtures.influx.influx_stores import NOW

#: Each last traded on its day; a store of tests lives on 2026-11-25.
LAST_TRADED = {
    "1301": date(2026, 11, 24),
    "1332": date(2026, 11, 12),
    "6758": date(2026, 8, 3),
    "7203": date(2021, 1, 5),
    "9984": date(1999, 1, 5),
}
FIRST_TRADED = date(1998, 6, 1)
MANY = [str(n) for n in range(2000, 2000 + 3 * MOST_SYMBOLS)]


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def history() -> pl.DataFrame:
    return frame(
        *(bar(symbol, midnight(day), float(day.year)) for symbol, day in LAST_TRADED.items()),
        *(bar(symbol, midnight(FIRST_TRADED), 100.0) for symbol in LAST_TRADED),
    )


def ranges(front: Shim) -> list[tuple[int, int]]:
    """The days that each query for the newest points spans, back from now; a range without a bound is cut."""
    spans = [re.search(r"time >= (-?\d+)s AND time < (-?\d+)s GROUP", text) for text in front.queries]
    now_s = NOW.timestamp()
    return [(round((now_s - int(s[1])) / 86_400), round((now_s - int(s[2])) / 86_400)) for s in spans if s]


class TestNewest:
    def test_each_symbol_has_its_own_however_old(self, store: InfluxBarStore) -> None:
        run(store.write(DAILY, history()))
        newest = run(store.latest(DAILY))
        assert dict(newest.select("symbol", "close").iter_rows()) == {
            symbol: float(day.year) for symbol, day in LAST_TRADED.items()
        }
        assert newest["opened_at"].dt.date().to_list() == list(LAST_TRADED.values())

    def test_bars_newer_than_now_are_included(self, store: InfluxBarStore) -> None:
        run(store.write(DAILY, frame(bar("1301", midnight(date(2026, 12, 7)), 9.0), *history().rows())))
        assert run(store.latest(DAILY, ["1301"]))["close"].to_list() == [9.0]

    def test_all_of_history_is_asked_for_those_alone_that_have_nothing_newer(
        self, store: InfluxBarStore, front: Shim
    ) -> None:
        run(store.write(DAILY, history()))
        front.queries.clear()
        assert run(store.latest(DAILY, ["1301", "1332"])).height == 2
        assert len(ranges(front)) == 1
        front.queries.clear()
        assert run(store.latest(DAILY, list(LAST_TRADED))).height == 5
        near, further, whole = [text for text in front.queries if "LIMIT 1" in text]
        assert all(symbol in near for symbol in LAST_TRADED)
        assert ["'1301'" in text or "'1332'" in text for text in (further, whole)] == [False, False]
        assert "'6758'" in further
        assert "'6758'" not in whole
        starts = [start for start, _ in ranges(front)]
        assert starts[:2] == [14, 120]
        assert starts[2] > 100_000
        assert [end for _, end in ranges(front)][1:] == [14, 120]

    def test_many_symbols_are_asked_for_in_groups(self, store: InfluxBarStore, front: Shim) -> None:
        run(store.write(DAILY, frame(*(bar(symbol, midnight(date(2026, 11, 20)), 7.0) for symbol in MANY))))
        front.queries.clear()
        assert run(store.latest(DAILY))["symbol"].to_list() == MANY
        assert len(ranges(front)) == 3
        assert run(store.last_closes(DAILY, MANY, before=date(2026, 11, 21))) == dict.fromkeys(MANY, 7.0)

    def test_a_name_that_no_line_can_hold_is_there_all_the_same(self, store: InfluxBarStore) -> None:
        run(store.write(DAILY, frame(bar("a b,c=d'e", midnight(date(2026, 11, 20)), 7.0))))
        assert run(store.latest(DAILY, ["a b,c=d'e"]))["close"].to_list() == [7.0]
        assert run(store.latest(DAILY))["close"].to_list() == [7.0]


class TestCloses:
    def test_the_last_one_before_a_session_is_found_however_old(self, store: InfluxBarStore) -> None:
        run(store.write(DAILY, history()))
        symbols = [*LAST_TRADED, "0000"]
        closes = run(store.last_closes(DAILY, symbols, before=date(2026, 11, 24)))
        assert closes == {"1301": 100.0, "1332": 2026.0, "6758": 2026.0, "7203": 2021.0, "9984": 1999.0}
        assert run(store.last_closes(DAILY, symbols, before=FIRST_TRADED)) == {}

    def test_steps_go_back_from_the_session(self, store: InfluxBarStore, front: Shim) -> None:
        run(store.write(DAILY, history()))
        front.queries.clear()
        assert run(store.last_closes(DAILY, ["7203"], before=date(2021, 1, 12))) == {"7203": 2021.0}
        assert len(ranges(front)) == 1
