"""Damaged pages and files: they cost no neighbour anything, and a repair sets them aside, beside writers at work."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import orjson
import polars as pl
import pytest

from kaboom.bars.actions.sqlite import SqliteActionStore
from kaboom.bars.actions.store import Origin, build_notes
from kaboom.bars.coverage.fetch_log import build_fetch_log
from kaboom.bars.folder.catalogue import Catalogue
from kaboom.bars.folder.connection import folder_lock
from kaboom.bars.pages.files import PageFiles
from kaboom.bars.pages.repair.pages import buckets_in, gaps_of
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.pages.write import transaction, write_bars
from kaboom.bars.store import Gap, RepairedItem, StoreHealth
from kaboom.drivers.clock import utc_now
from kaboom.errors import StoreDamaged, StoreError
from kaboom.market.action import ActionState, CorporateAction
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.bars import damage
from tests.fixtures.bars.page_kills import ROOT, acknowledged_by, start_writer
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame, full_day

run = asyncio.run
SYMBOLS = ["1301", "1332", "6758", "7203", "9984"]
JUNE_3, JULY_1 = date(2025, 6, 3), date(2025, 7, 1)
FIRST, LAST = date(2025, 6, 1), date(2025, 6, 30)
REPAIR = "repair it with `kaboom bars repair`"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sessions of June and one of July, with what was answered, and one split."""
    with_bars = tmp_path / "bars"
    store = PageBarStore(with_bars)

    async def fill() -> None:
        for session in (JUNE_2, JUNE_3, JULY_1):
            bars = full_day(SYMBOLS, session)
            await store.write(MINUTES, bars)
            await store.save_fetch_log(MINUTES, build_fetch_log(bars, [*SYMBOLS, "9999"], [session], at(JULY_1)))
        await store.write(DAILY, frame(bar("7203", at(JUNE_2)), bar("9984", at(JUNE_2), 200.0)))
        split = CorporateAction("7203", JUNE_3, 0.5)
        notes = build_notes([split], Origin.PERSON, ActionState.CONFIRMED, noted_at=at(JUNE_3))
        await SqliteActionStore(with_bars).save("synthetic", notes)
        await store.close()

    run(fill())
    return with_bars


@pytest.fixture
def june(root: Path) -> Path:
    return root / "synthetic" / "1m" / "2025-06.sqlite"


def ask[T](root: Path, question: Callable[[PageBarStore], Awaitable[T]]) -> T:
    async def answer() -> T:
        store = PageBarStore(root)
        try:
            return await question(store)
        finally:
            await store.close()

    return run(answer())


def verify(root: Path) -> StoreHealth:
    return ask(root, lambda store: store.verify())


def repair(root: Path, *, is_dry: bool = False) -> tuple[RepairedItem, ...]:
    return ask(root, lambda store: store.repair(is_dry=is_dry))


def read(root: Path, symbol: str, session: date = JUNE_3) -> pl.DataFrame:
    return ask(root, lambda store: store.read(MINUTES, symbol, start=at(session), end=at(session, 1440)))


def answers(root: Path) -> set[tuple[str, date]]:
    asked: pl.DataFrame = ask(root, lambda store: store.load_fetch_log(MINUTES, first=FIRST, last=LAST))
    return set(asked.select("symbol", "session").rows())


def test_a_damaged_page_fails_its_own_symbol_alone(root: Path, june: Path) -> None:
    damage.flip_page(june, "7203")
    again = full_day(SYMBOLS, JUNE_3, seed=2)

    files = PageFiles(root)
    report = write_bars(files, MINUTES, again)
    files.close()

    (refused,) = report.refused
    assert (refused.symbol, refused.bars, report.written) == ("7203", 327, 4 * 327)
    assert "synthetic/1m/2025-06.sqlite 7203 2025-06-03 is damaged: its crc32 was" in refused.reason
    assert refused.reason.endswith(REPAIR)
    for symbol in SYMBOLS:
        if symbol != "7203":
            assert read(root, symbol).equals(again.filter(pl.col("symbol") == symbol)), symbol
    assert read(root, "7203", JUNE_2).height == 327
    with pytest.raises(StoreDamaged, match="7203 2025-06-03 is damaged"):
        read(root, "7203")


def test_a_damaged_file_fails_its_own_month_alone(root: Path, june: Path) -> None:
    damage.overwrite_header(june)
    both = pl.concat([full_day(["7203"], JUNE_3, seed=2), full_day(["7203"], JULY_1, seed=2)])

    files = PageFiles(root)
    report = write_bars(files, MINUTES, both)
    with pytest.raises(StoreDamaged, match=r"2025-06\.sqlite: file is not a database.*kaboom bars repair") as alone:
        write_bars(files, MINUTES, full_day(["7203"], JUNE_3))
    files.close()

    assert [(refused.symbol, refused.bars) for refused in report.refused] == [("7203", 327)]
    assert not alone.value.retryable
    assert read(root, "7203", JULY_1).equals(full_day(["7203"], JULY_1, seed=2))


def test_daily_bars_of_others_are_covered_beside_a_damaged_year(root: Path) -> None:
    damage.flip_page(root / "synthetic" / "1d" / "all.sqlite", "7203")
    held: pl.DataFrame = ask(root, lambda store: store.coverage(DAILY, first=FIRST, last=LAST))
    assert held["symbol"].to_list() == ["9984"]
    closes = ask(root, lambda store: store.last_closes(DAILY, ["7203", "9984"], before=JUNE_3))
    assert set(closes) == {"7203", "9984"}


def test_a_damaged_page_is_set_aside_and_its_answer_forgotten(root: Path, june: Path) -> None:
    damage.flip_page(june, "7203")
    before = answers(root)

    assert [found.kept for found in repair(root, is_dry=True)] == [""]
    assert len(verify(root).faults) == 1, "a dry run changed something"
    (mended,) = repair(root)

    assert (mended.where, mended.done) == (
        "synthetic/1m/2025-06.sqlite 7203 2025-06-03",
        "the page was moved to the archive",
    )
    assert mended.gaps == (Gap(MINUTES, ("7203",), JUNE_3, JUNE_3, is_guess=False),)
    kept = orjson.loads(Path(mended.kept).read_bytes())
    assert (kept["symbol"], kept["n"], kept["fault"]) == ("7203", 327, mended.fault)
    assert before - answers(root) == {("7203", JUNE_3)}
    assert verify(root).faults == ()
    assert read(root, "7203").is_empty()
    assert read(root, "1301").height == 327
    assert repair(root) == ()


@pytest.mark.parametrize("harm", [damage.cut_short, lambda path: damage.scribble_over_table(path, "page")])
def test_what_can_be_read_of_a_damaged_file_is_kept(root: Path, june: Path, harm: Callable[[Path], None]) -> None:
    held = {s: read(root, s) for s in SYMBOLS}
    harm(june)
    assert {fault.mend for fault in verify(root).faults} == {"kaboom bars repair"}

    (mended,) = repair(root)

    assert verify(root).faults == ()
    lost = {symbol for gap in mended.gaps for symbol in gap.symbols}
    for symbol, bars in held.items():
        now = read(root, symbol)
        assert now.equals(bars) or (symbol in lost and now.is_empty()), symbol
    assert sum(read(root, s).height > 0 for s in SYMBOLS) + len(lost) >= len(SYMBOLS)
    assert Path(mended.kept).name == june.name
    assert read(root, "7203", JULY_1).height == 327


def test_damaged_answers_cost_no_bars(root: Path, june: Path) -> None:
    damage.scribble_over_table(june, "asked")
    assert verify(root).faults

    (mended,) = repair(root)

    assert mended.gaps == ()
    assert verify(root).faults == ()
    assert all(read(root, symbol, day).height == 327 for symbol in SYMBOLS for day in (JUNE_2, JUNE_3))


def test_a_file_without_its_header_is_replaced_by_an_empty_one(root: Path, june: Path) -> None:
    damage.overwrite_header(june)
    content = june.read_bytes()

    (mended,) = repair(root)

    assert Path(mended.kept).read_bytes() == content
    assert mended.gaps == (Gap(MINUTES, (*SYMBOLS, "9999"), FIRST, LAST, is_guess=True),)
    assert (verify(root).faults, read(root, "7203").height, answers(root)) == ((), 0, set())


@pytest.mark.parametrize("leaves_log", [False, True])
def test_a_deleted_file_is_missed(root: Path, june: Path, leaves_log: bool) -> None:  # noqa: FBT001  a parameter
    june.unlink()
    if leaves_log:
        june.with_name(f"{june.name}-wal").write_bytes(b"old frames")
        files = PageFiles(root)
        with pytest.raises(StoreDamaged, match="is missing although its WAL exists"):
            write_bars(files, MINUTES, full_day(["7203"], JUNE_3))
    (fault,) = verify(root).faults
    assert (fault.where, fault.message, fault.mend) == (str(june), "the file is missing", "kaboom bars repair")

    (mended,) = repair(root)

    assert mended.gaps == (Gap(MINUTES, (*SYMBOLS, "9999"), FIRST, LAST, is_guess=True),)
    assert bool(mended.kept) is leaves_log
    assert verify(root).faults == ()
    files = PageFiles(root)
    assert write_bars(files, MINUTES, full_day(["7203"], JUNE_3)).written == 327
    files.close()


@pytest.mark.parametrize("harm", [lambda path: path.write_bytes(b"no notes at all " * 999), Path.unlink])
def test_damaged_corporate_actions_are_found_and_replaced(root: Path, harm: Callable[[Path], None]) -> None:
    path = root / "synthetic" / "actions.sqlite"
    harm(path)
    assert [(fault.where, fault.mend) for fault in verify(root).faults] == [(str(path), "kaboom bars repair")]

    (mended,) = repair(root)

    assert "kaboom actions confirm" in mended.done
    assert verify(root).faults == ()
    assert run(SqliteActionStore(root).load("synthetic")).is_empty()


def test_notes_that_can_be_read_survive_a_file_cut_short(root: Path) -> None:
    path = root / "synthetic" / "actions.sqlite"
    content = bytearray(path.read_bytes())
    content[28:32] = (9999).to_bytes(4, "big")  # how many pages the file has
    path.write_bytes(content)
    assert len(verify(root).faults) == 1
    repair(root)
    assert verify(root).faults == ()
    assert run(SqliteActionStore(root).load("synthetic")).height == 1


def test_a_folder_of_an_older_kaboom_is_listed_with_the_first_write(root: Path, june: Path) -> None:
    (root / "catalogue.txt").unlink()
    june_only = BarSeries("synthetic", Interval.M5)
    assert Catalogue(root).entries() is None
    files = PageFiles(root)
    write_bars(files, june_only, frame(bar("7203", at(JUNE_2))))
    files.close()

    assert {"synthetic/1m/2025-06.sqlite", "synthetic/actions.sqlite", "synthetic/5m/2025-06.sqlite"} <= (
        Catalogue(root).entries() or set()
    )
    june.unlink()
    assert [fault.where for fault in verify(root).faults] == [str(june)]


def test_a_line_that_was_cut_off_hides_no_other(root: Path) -> None:
    with (root / "catalogue.txt").open("a") as file:
        file.write("synthetic/1m/2025-0")
    files = PageFiles(root)
    write_bars(files, MINUTES, frame(bar("7203", at(date(2025, 8, 1)))))
    files.close()
    entries = Catalogue(root).entries() or frozenset()
    assert "synthetic/1m/2025-08.sqlite" in entries
    assert "synthetic/1m/2025-0" not in entries


def test_a_write_does_not_go_to_a_file_that_was_replaced_meanwhile(root: Path, june: Path) -> None:
    files = PageFiles(root)
    file = files.open_or_create(june)
    copy = june.with_name(".copy")
    shutil.copy(june, copy)
    copy.replace(june)
    with pytest.raises(StoreError, match="was replaced a moment ago") as refusal, transaction(file):
        pass
    assert refusal.value.retryable
    assert write_bars(files, MINUTES, full_day(["7203"], JUNE_3)).written == 327
    files.close()


def test_writers_wait_for_a_repair_and_a_repair_for_writers(root: Path, june: Path) -> None:
    files = PageFiles(root, busy_timeout_s=0.05)
    with (
        folder_lock(june.parent, is_shared=False, within_s=1),
        pytest.raises(StoreError, match=r"were locked for 0\.05 s") as refusal,
    ):
        write_bars(files, MINUTES, full_day(["7203"], JUNE_3))
    assert refusal.value.retryable
    with (
        transaction(files.open_or_create(june)),
        pytest.raises(StoreError),
        folder_lock(june.parent, is_shared=False, within_s=0.05),
    ):
        pass
    files.close()


def test_a_repair_beside_writers_loses_no_acknowledged_write(tmp_path: Path) -> None:
    root = tmp_path / "bars"
    files = PageFiles(root)
    write_bars(files, MINUTES, full_day(SYMBOLS, JUNE_3))
    files.close()
    june = root / "synthetic" / "1m" / "2025-06.sqlite"
    writers = [start_writer(root, parity, 1, is_patient=True) for parity in (0, 1)]
    told = [0, 0]
    try:
        for _ in range(1):
            told = [acknowledged_by(writer, told[parity]) for parity, writer in enumerate(writers)]
            for shape in (damage_row, damage_tree):
                shape(june)
                told = [acknowledged_by(writer, told[parity]) for parity, writer in enumerate(writers)]
                done = subprocess.run(
                    (sys.executable, "-c", _REPAIR, str(root)),
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=60,
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                )
                assert done.returncode == 0, done.stderr
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert verify(root).faults == ()
    held = read(root, "1301", JUNE_2)
    for parity, generation in enumerate(told):
        mine = held.filter(pl.col("opened_at").dt.minute() % 2 == parity)
        assert mine.height == 30
        assert mine["close"].min() >= generation  # type: ignore[operator]


_REPAIR = """
import asyncio, sys, pathlib
from kaboom.bars.pages.store import PageBarStore
async def go():
    store = PageBarStore(pathlib.Path(sys.argv[1]))
    print(await store.repair(is_dry=False))
    await store.close()
asyncio.run(go())
"""


def damage_row(path: Path) -> None:
    """Damage a page of another session by way of SQLite, as the writers go on."""
    with closing(sqlite3.connect(path, timeout=60)) as db, db:
        db.execute("UPDATE page SET data = x'00' WHERE bucket = ?", ((JUNE_3 - date(1970, 1, 1)).days,))


def damage_tree(path: Path) -> None:
    """Make the file look like a foreign one when it is opened next: a repair must replace it."""
    with closing(sqlite3.connect(path, timeout=60)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'asked'")
        db.commit()


def test_symbols_that_lack_the_same_buckets_share_a_gap_in_any_order() -> None:
    two, three, may = ((day - date(1970, 1, 1)).days for day in (JUNE_2, JUNE_3, date(2025, 5, 30)))
    cells = [("7203", three), ("1301", two), ("9984", may), ("7203", may), ("9984", three), ("1301", may)]
    first = date(2025, 5, 30)
    assert gaps_of(MINUTES, cells) == (
        Gap(MINUTES, ("1301",), first, JUNE_2),
        Gap(MINUTES, ("7203", "9984"), first, JUNE_3),
    )
    assert gaps_of(DAILY, [("1301", 2025), ("1301", 2023)]) == (
        Gap(DAILY, ("1301",), date(2023, 1, 1), date(2025, 12, 31)),
    )


def test_a_file_may_hold_the_buckets_of_its_name() -> None:
    def days(first: date, end: date) -> range:
        return range((first - date(1970, 1, 1)).days, (end - date(1970, 1, 1)).days)

    assert buckets_in("2025-06") == days(date(2025, 6, 1), date(2025, 7, 1))
    assert buckets_in("2025-12") == days(date(2025, 12, 1), date(2026, 1, 1))
    assert buckets_in("2024-02") == days(date(2024, 2, 1), date(2024, 3, 1))
    assert len(buckets_in("undated")) == 0
    years = buckets_in("all")
    assert (years[0], years[-1]) == (1949, utc_now().year + 1)


def test_what_can_be_read_of_a_damaged_file_of_days_is_kept(root: Path) -> None:
    path = root / "synthetic" / "1d" / "all.sqlite"
    days = [date(1949, 5, 16), date(2024, 12, 30), JUNE_2]
    bars = frame(*(bar("1301", at(day), 100.0 + n) for n, day in enumerate(days)))
    ask(root, lambda store: store.write(DAILY, bars))
    ask(root, lambda store: store.save_fetch_log(DAILY, build_fetch_log(bars, ["1301"], days, at(JULY_1))))
    damage.scribble_over_table(path, "asked")
    (mended,) = repair(root)
    kept = ask(root, lambda store: store.read(DAILY, "1301", start=at(date(1949, 1, 1)), end=at(JULY_1)))
    assert (kept.equals(bars), mended.gaps) == (True, ())
