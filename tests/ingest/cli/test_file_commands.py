"""`kaboom files check`: what an ingest would store, and the command that stores it."""

import asyncio
from datetime import date
from pathlib import Path

import pytest

from kaboom.bars.pages.store import PageBarStore
from kaboom.cli.exits import Exit
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.bars.stored_bars import at, bar, frame
from tests.fixtures.cli import Kaboom

HEADER = "Date,Open,High,Low,Close,Volume"
GOOD = "1300,1310,1290,1305,1000"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files that share one of their days; one row has its high below its low."""
    root = tmp_path / "files"
    root.mkdir()
    (root / "1111.csv").write_text(f"{HEADER}\n2024-02-01,{GOOD}\n2024-02-02,{GOOD}\n")
    (root / "2222.csv").write_text(f"{HEADER}\n2024-02-02,{GOOD}\n2024-02-05,1300,1290,1310,1305,1\n")
    return root


def test_the_check_counts_the_bars_and_the_union_of_the_days(kaboom: Kaboom, folder: Path) -> None:
    done = kaboom("files", "check", str(folder))
    assert done.code == Exit.PARTIAL
    assert "2222.csv, line 3: rejected: ohlc_order" in done.out
    assert "an ingest stores 3 of 4 rows and rejects 1: 1d 3 days from 2024-02-01 to 2024-02-05" in done.err
    assert done.err.splitlines()[-2:] == [
        f"start Kaboom with: KABOOM_FILE_DIR={folder} kaboom up",
        "then ingest them in another terminal: kaboom ingest run-daily --provider file --all --wait",
    ]


def test_the_check_counts_one_of_each_as_one(kaboom: Kaboom, tmp_path: Path) -> None:
    (tmp_path / "1111.csv").write_text(f"{HEADER}\n2024-02-01,{GOOD}\n")
    said = kaboom("files", "check", "1111.csv").err
    assert said.startswith("1 file: 1 row of 1 symbol; files with something that is not stored: 0\n")
    assert "1d 1 day from 2024-02-01 to 2024-02-01\n" in said


def test_the_check_prints_rules_for_the_server_that_reads_the_files(kaboom: Kaboom, folder: Path) -> None:
    for file in folder.iterdir():
        file.rename(file.with_stem(f"bars of {file.stem}"))
    done = kaboom("files", "check", str(folder), "--symbol-pattern", "of ([0-9]{4})$")
    assert f"KABOOM_FILE_DIR={folder} KABOOM_FILE_SYMBOL_PATTERN='of ([0-9]{{4}})$' kaboom up" in done.err


def test_the_check_as_json_has_the_outcome_of_each_symbol(kaboom: Kaboom, folder: Path) -> None:
    found = kaboom("files", "check", str(folder), "--json").json
    assert isinstance(found, dict)
    assert (found["stored"], found["rejected"]) == (3, 1)
    assert [(each["symbol"], each["outcome"], each["stored"], each["rejected"]) for each in found["symbols"]] == [
        ("1111", "ok", 2, 0),
        ("2222", "invalid", 1, 1),
    ]


def test_bars_that_are_not_held_are_to_be_taken_from_their_source(
    kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write() -> None:
        store = PageBarStore(tmp_path / "data" / "bars")
        await store.write(BarSeries("file", Interval.D1), frame(bar("SPY", at(date(2024, 2, 1)))))
        await store.close()

    asyncio.run(write())
    monkeypatch.setenv("KABOOM_DATA_DIR", str(tmp_path / "data"))
    done = kaboom("bars", "show", "ZZZZ", "--interval", "1d")
    assert done.code == Exit.NOT_FOUND
    assert "kaboom ingest run-daily --wait --interval 1d --provider file --all --symbol ZZZZ" in done.err
    assert f"{tmp_path}/data/bars" in done.err


def test_a_good_folder_is_checked_without_a_fault(kaboom: Kaboom, folder: Path) -> None:
    (folder / "2222.csv").unlink()
    done = kaboom("files", "check", str(folder))
    assert done.code == Exit.OK
    assert "stores 2 of 2 rows and rejects 0" in done.err
