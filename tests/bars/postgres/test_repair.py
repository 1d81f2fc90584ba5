"""A repair of the tables mends a row or moves it to the archive, and the rest stays as it was."""

from datetime import date
from zlib import crc32

import psycopg
import pytest

from kaboom.bars.coverage.fetch_log import build_fetch_log
from kaboom.bars.pages.codec import page_keys
from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.bars.store import Gap, RepairedItem
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from tests.bars.bar_store import run
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame

JUNE_3, JUNE_4 = date(2025, 6, 3), date(2025, 6, 4)
_DAYS = [JUNE_2, JUNE_3, JUNE_4]
_SPAN = {"start": at(date(2020, 1, 1)), "end": at(date(2030, 1, 1))}
_OF_JUNE_3 = f"symbol = '7203' AND bucket = {(JUNE_3 - date(1970, 1, 1)).days}"
_FLIP = "SET data = set_byte(data, 20, get_byte(data, 20) # 1)"


@pytest.fixture
def filled(store: PostgresBarStore) -> PostgresBarStore:
    """A store with three sessions of two symbols, and what their provider answered."""
    bars = frame(*(bar(s, at(d), c) for s, c in (("1301", 90.0), ("7203", 100.0)) for d in _DAYS))
    run(store.write(MINUTES, bars))
    run(store.save_fetch_log(MINUTES, build_fetch_log(bars, ["1301", "7203"], _DAYS, at(JUNE_4, 600))))
    return store


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def repair(store: PostgresBarStore, *, is_dry: bool = False) -> tuple[RepairedItem, ...]:
    return run(store.repair(is_dry=is_dry))


def asked(store: PostgresBarStore) -> set[tuple[str, date]]:
    return set(run(store.load_fetch_log(MINUTES, first=JUNE_2, last=JUNE_4)).select("symbol", "session").rows())


def test_a_damaged_page_is_moved_away_and_its_answer_forgotten(filled: PostgresBarStore, database_url: str) -> None:
    ask(database_url, f"UPDATE bar_page {_FLIP} WHERE {_OF_JUNE_3}")
    ((blob,),) = ask(database_url, f"SELECT data FROM bar_page WHERE {_OF_JUNE_3}")
    before = asked(filled)

    (planned,) = repair(filled, is_dry=True)
    assert (planned.done, planned.kept) == ("the page would be moved to the archive", "")
    assert len(run(filled.verify()).faults) == 1, "a dry run changed something"
    (mended,) = repair(filled)

    assert (mended.where, mended.done) == ("synthetic/1m 7203 2025-06-03", "the page was moved to the archive")
    assert "its crc32 was" in mended.fault
    assert mended.gaps == planned.gaps == (Gap(MINUTES, ("7203",), JUNE_3, JUNE_3),)
    assert ask(database_url, "SELECT data FROM bar_replaced WHERE series < 0") == [(blob,)]
    assert "bar_replaced: series -1, bucket 20242, symbol 7203, at " in mended.kept
    assert before - asked(filled) == {("7203", JUNE_3)}
    assert (run(filled.verify()).faults, repair(filled)) == ((), ())
    assert run(filled.read(MINUTES, "7203", **_SPAN)).height == 2
    assert run(filled.coverage(MINUTES, first=JUNE_2, last=JUNE_4)).height == 5
    assert run(filled.write(MINUTES, frame(bar("7203", at(JUNE_3))))).written == 1
    assert run(filled.read(MINUTES, "7203", **_SPAN)).height == 3


@pytest.mark.parametrize("is_taken_again", [False, True])
def test_moments_before_a_page_was_moved_away_are_refused(
    filled: PostgresBarStore, database_url: str, *, is_taken_again: bool
) -> None:
    moment = utc_now()
    ask(database_url, f"UPDATE bar_page {_FLIP} WHERE {_OF_JUNE_3}")
    repair(filled)
    after = utc_now()
    if is_taken_again:
        run(filled.write(MINUTES, frame(bar("7203", at(JUNE_3)))))

    then = filled.known_at(moment)
    for question in (
        then.read(MINUTES, "7203", **_SPAN),
        then.read_session(MINUTES, JUNE_3),
        then.coverage(MINUTES, first=JUNE_2, last=JUNE_4),
    ):
        with pytest.raises(InvalidRequest, match="a repair moved the damaged page synthetic/1m 7203 2025-06-03 away"):
            run(question)
    assert run(then.read(MINUTES, "1301", **_SPAN)).height == 3
    assert run(then.read_session(MINUTES, JUNE_2)).height == 2
    assert run(then.latest(MINUTES))["opened_at"].to_list() == [at(JUNE_4)] * 2
    assert run(filled.known_at(after).read(MINUTES, "7203", **_SPAN)).height == 2


def test_the_newest_bars_of_before_are_refused_if_a_newer_page_was_moved_away(
    filled: PostgresBarStore, database_url: str
) -> None:
    moment = utc_now()
    ask(database_url, f"UPDATE bar_page {_FLIP} WHERE bucket = {(JUNE_4 - date(1970, 1, 1)).days} AND symbol = '7203'")
    repair(filled)
    with pytest.raises(InvalidRequest, match="7203 2025-06-04 away"):
        run(filled.known_at(moment).latest(MINUTES))
    assert run(filled.latest(MINUTES))["opened_at"].to_list() == [at(JUNE_4), at(JUNE_3)]


@pytest.mark.parametrize("column", ["n", "last_ts", "c", "newest_sum", "cover_sum"])
def test_a_wrong_header_is_made_again_from_the_bars(filled: PostgresBarStore, database_url: str, column: str) -> None:
    held, newest = run(filled.coverage(MINUTES, first=JUNE_2, last=JUNE_4)), run(filled.latest(MINUTES))
    row = ask(database_url, f"SELECT * FROM bar_page WHERE {_OF_JUNE_3}")
    ask(database_url, f"UPDATE bar_page SET {column} = {column} + 1 WHERE {_OF_JUNE_3}")

    (mended,) = repair(filled)

    assert (mended.done, mended.gaps) == ("the header was made again from the bars of the page", ())
    assert ask(database_url, f"SELECT * FROM bar_page WHERE {_OF_JUNE_3}") == row
    assert run(filled.coverage(MINUTES, first=JUNE_2, last=JUNE_4)).equals(held)
    assert run(filled.latest(MINUTES)).equals(newest)
    assert (run(filled.verify()).faults, len(asked(filled))) == ((), 6)


def test_a_damaged_row_of_history_is_moved_away(store: PostgresBarStore, database_url: str) -> None:
    moments = [utc_now()]
    for close in (100.0, 200.0):
        run(store.write(MINUTES, frame(bar("7203", at(JUNE_2), close), bar("1301", at(JUNE_2), close))))
        moments.append(utc_now())
    ask(database_url, f"UPDATE bar_replaced {_FLIP} WHERE symbol = '7203'")

    (mended,) = repair(store)

    assert mended.where == "synthetic/1m 7203 2025-06-02 (history)"
    assert "earlier moments of the page cannot be read" in mended.done
    assert (mended.gaps, run(store.verify()).faults, repair(store)) == ((), (), ())
    with pytest.raises(InvalidRequest, match="7203 2025-06-02 away"):
        run(store.known_at(moments[1]).read(MINUTES, "7203", **_SPAN))
    assert run(store.known_at(moments[1]).read(MINUTES, "1301", **_SPAN))["close"].to_list() == [100.0]
    assert run(store.known_at(moments[2]).read(MINUTES, "7203", **_SPAN))["close"].to_list() == [200.0]


def test_a_symbol_without_its_row_is_found_and_added(filled: PostgresBarStore, database_url: str) -> None:
    ask(database_url, "DELETE FROM bar_symbol WHERE symbol = '7203'")
    assert run(filled.latest(MINUTES))["symbol"].to_list() == ["1301"]
    (fault,) = run(filled.verify()).faults
    assert (fault.where, fault.mend) == ("synthetic/1m 7203", "kaboom bars repair")

    (mended,) = repair(filled)

    assert mended.done == "the symbol was added"
    assert run(filled.latest(MINUTES))["symbol"].to_list() == ["1301", "7203"]
    assert run(filled.verify()).faults == ()


def test_pages_of_an_unknown_series_are_named_and_left(filled: PostgresBarStore, database_url: str) -> None:
    ask(database_url, "DELETE FROM bar_series")
    (fault,) = run(filled.verify()).faults
    assert (fault.where, fault.mend) == ("bar_page_1_2025", "restore the row of bar_series from a backup")
    (mended,) = repair(filled)
    assert mended.done.startswith("it was left as it is")
    assert ask(database_url, "SELECT count(*) FROM bar_page") == [(6,)]


def test_a_page_of_a_newer_kaboom_is_named_and_left(filled: PostgresBarStore, database_url: str) -> None:
    head, payload = b"\x09\x01\x01\x00", b"of a later version"
    (key,) = page_keys(["7203"], [(JUNE_3 - date(1970, 1, 1)).days])
    blob = head + crc32(payload, crc32(head, key)).to_bytes(4, "little") + payload
    ask(database_url, f"UPDATE bar_page SET data = '\\x{blob.hex()}' WHERE {_OF_JUNE_3}")
    (fault,) = run(filled.verify()).faults
    assert ("a newer Kaboom wrote it" in fault.message, fault.mend) == (True, "")
    assert repair(filled) == ()
    assert ask(database_url, f"SELECT data FROM bar_page WHERE {_OF_JUNE_3}") == [(blob,)]


def test_days_of_a_damaged_year_are_asked_for_again(store: PostgresBarStore, database_url: str) -> None:
    days = [date(2024, 12, 30), JUNE_2, date(2026, 1, 5)]
    bars = frame(*(bar("7203", at(day)) for day in days))
    run(store.write(DAILY, bars))
    run(store.save_fetch_log(DAILY, build_fetch_log(bars, ["7203"], days, at(date(2026, 1, 6)))))
    ask(database_url, f"UPDATE bar_page {_FLIP} WHERE bucket = 2025")

    (mended,) = repair(store)

    assert mended.where == "synthetic/1d 7203 2025"
    assert mended.gaps == (Gap(DAILY, ("7203",), date(2025, 1, 1), date(2025, 12, 31)),)
    left = run(store.load_fetch_log(DAILY, first=days[0], last=days[-1]))["session"].to_list()
    assert JUNE_2 not in left
    assert {days[0], days[2]} <= set(left)
