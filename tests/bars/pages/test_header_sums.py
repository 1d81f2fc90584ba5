"""Checksums of headers in files of an older Kaboom, and what a repair builds anew beside sound pages."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from kaboom.bars.coverage.fetch_log import build_fetch_log
from kaboom.bars.folder.catalogue import NAME
from kaboom.bars.pages.files import PageFiles
from kaboom.bars.pages.headers import last_closes, latest
from kaboom.bars.pages.repair.run import repair
from kaboom.bars.pages.store import load_fetch_log, save_fetch_log
from kaboom.bars.pages.verify import verify
from kaboom.bars.pages.write import write_bars
from kaboom.bars.store import Gap
from tests.fixtures.bars.bit_flips import FILES, LAST, SESSIONS, SYMBOLS, ask_everything, fill
from tests.fixtures.bars.damage import overwrite_header
from tests.fixtures.bars.old_pages import make_old
from tests.fixtures.bars.stored_bars import MINUTES, at, full_day

JUNE = FILES[0]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    asyncio.run(fill(tmp_path / "bars"))
    return tmp_path / "bars"


@pytest.fixture
def files(root: Path) -> Iterator[PageFiles]:
    made = PageFiles(root)
    yield made
    made.close()


def execute(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db, db:
        *before, last = sql.split("; ")
        for statement in before:
            db.execute(statement)
        return db.execute(last).fetchall()


def mend(files: PageFiles, *, is_dry: bool = False) -> list[str]:
    return [f"{item.fault}: {item.done}" for item in repair(files, at=at(LAST), is_dry=is_dry)]


def test_files_of_an_older_kaboom_are_read_as_they_were(root: Path) -> None:
    before = asyncio.run(ask_everything(root))
    for name in FILES:
        make_old(root / name)
    assert asyncio.run(ask_everything(root)) == before
    assert execute(root / JUNE, "PRAGMA user_version") == [(1,)]  # a reader changes nothing


def test_a_write_upgrades_its_file_and_its_own_pages(files: PageFiles, root: Path) -> None:
    make_old(root / JUNE)

    assert write_bars(files, MINUTES, full_day(SYMBOLS, SESSIONS[1], seed=1)).changed == 0
    write_bars(files, MINUTES, full_day(["1301"], SESSIONS[2], seed=5))

    with_sums = "SELECT count(*) FROM page WHERE newest_sum IS NOT NULL AND cover_sum IS NOT NULL"
    assert execute(root / JUNE, with_sums) == [(len(SYMBOLS) + 1,)]
    assert execute(root / JUNE, "PRAGMA user_version") == [(2,)]
    assert not verify(files).faults


def test_a_repair_gives_checksums_to_all_pages_of_an_older_kaboom(files: PageFiles, root: Path) -> None:
    before = latest(files, MINUTES)
    for name in FILES:
        make_old(root / name)
    (minutes, daily) = (f"{n} pages of an older Kaboom had no checksums of their headers" for n in (20, 5))

    assert mend(files, is_dry=True) == [f"{daily}: they would get checksums", f"{minutes}: they would get checksums"]
    assert mend(files) == [f"{daily}: they have checksums now", f"{minutes}: they have checksums now"]
    assert mend(files) == []

    assert not verify(files).faults
    execute(root / JUNE, "UPDATE page SET c = c + 1000")
    assert latest(files, MINUTES).equals(before)
    closes = last_closes(files, MINUTES, symbols=SYMBOLS, before=date(2025, 6, 6))
    assert closes == dict(before.select("symbol", "close").rows())


def test_a_wrong_header_of_an_older_kaboom_gets_no_checksum(files: PageFiles, root: Path) -> None:
    make_old(root / JUNE)
    execute(root / JUNE, "UPDATE page SET c = c + 1000 WHERE id = (SELECT max(id) FROM page)")

    assert any("its header was" in line for line in mend(files))

    assert execute(root / JUNE, "SELECT count(*) FROM page") == [(19,)]
    assert not verify(files).faults


def test_index_that_differs_from_its_table_is_found_and_built_anew(files: PageFiles, root: Path) -> None:
    before = latest(files, MINUTES)
    with closing(sqlite3.connect(root / JUNE)) as db:
        # The index without the newest page of the first symbol.
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = sql || ' WHERE id <> (20244 << 20 | 1)' WHERE name = 'cov'")
        db.commit()
    with closing(sqlite3.connect(root / JUNE)) as db:
        db.execute("REINDEX cov")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = substr(sql, 1, instr(sql, ' WHERE') - 1) WHERE name = 'cov'")
        db.commit()
    files.close()

    assert "index cov" in verify(files).faults[0].message
    (line,) = mend(files)
    assert line.endswith(": the indexes were built from the tables")
    assert mend(files) == []
    assert latest(files, MINUTES).equals(before)


def test_a_page_that_only_the_index_has_is_reported_as_a_gap(files: PageFiles, root: Path) -> None:
    write_fetch = build_fetch_log(full_day(["1301"], SESSIONS[0]), ["1301"], SESSIONS, at(LAST))
    save_fetch_log(files, MINUTES, write_fetch)
    files.close()
    (row,) = execute(root / JUNE, "SELECT * FROM sqlite_schema WHERE name = 'cov'")
    for statement in ("DELETE FROM sqlite_schema WHERE name = 'cov'", "DELETE FROM page WHERE id = 20244 << 20 | 1"):
        execute(root / JUNE, f"PRAGMA writable_schema = ON; {statement}")
    with closing(sqlite3.connect(root / JUNE)) as db, db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", row)

    lost = Gap(MINUTES, ("1301",), SESSIONS[3], SESSIONS[3])
    assert [item.gaps for item in repair(files, at=at(LAST), is_dry=True)] == [(lost,)]
    (item,) = repair(files, at=at(LAST), is_dry=False)
    assert item.gaps == (lost,)
    log = load_fetch_log(files, MINUTES, first=SESSIONS[0], last=LAST)
    assert log["session"].to_list() == SESSIONS[:3]
    assert repair(files, at=at(LAST), is_dry=False) == ()


def test_dry_run_reports_a_damaged_file_once(files: PageFiles, root: Path) -> None:
    overwrite_header(root / JUNE)
    (line,) = mend(files, is_dry=True)
    assert "file is not a database" in line


def test_a_missing_list_of_files_is_a_fault_and_a_repair_makes_it(files: PageFiles, root: Path) -> None:
    text = (root / NAME).read_text()
    (root / NAME).unlink()

    (fault,) = verify(files).faults
    assert fault.where == str(root / NAME)
    assert "the list of files is missing" in fault.message
    assert mend(files, is_dry=True) == ["the list of files is missing: a new list would have the files that are there"]
    assert not (root / NAME).exists()
    assert mend(files) == ["the list of files is missing: a new list has the files that are there"]
    assert set((root / NAME).read_text().split()) == set(text.split())
    assert not verify(files).faults


def test_an_unused_folder_needs_no_list_of_files(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert not verify(PageFiles(tmp_path / "empty")).faults
