"""A workbook is read as its sheet shows it: days, times and codes; what is too large, damaged or unclear is refused."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import openpyxl
import pytest

from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.file.check import describe_files
from kaboom.providers.file.folder import FileLimits
from kaboom.providers.file.provider import FileProvider, FileRules
from tests.market.lists.test_workbook_bombs import cell, write_book

LAST = date(2100, 1, 1)
HEAD = ("日付", "始値", "高値", "安値", "終値", "出来高")
BARS = ((date(2024, 11, 5), 2650, 2700.5, 2600, 2690, 25_100_000), (date(2024, 11, 6), 2690, 2710, 2680, 2700, 1_200))


def save(path: Path, **sheets: Iterable[Sequence[object]]) -> Path:
    book = openpyxl.Workbook(write_only=True)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def fetch(root: Path, interval: Interval) -> FetchedBars:
    async def run() -> FetchedBars:
        provider = FileProvider(root)
        symbols = await provider.fetch_universe(Market.FILE, LAST)
        sessions = await provider.fetch_sessions(interval, 1000, LAST)
        return await provider.fetch_bars(BarRequest(symbols or (), interval, sessions or ()))

    return asyncio.run(run())


def refusal(root: Path, max_mb: int = 256) -> str:
    [found] = describe_files(FileProvider(root, FileRules(limits=FileLimits(max_mb))))
    return str(found["refusals"][0]["message"])


def test_days_below_a_title_are_read(tmp_path: Path) -> None:
    save(tmp_path / "7203.xlsx", Sheet1=[("7203 トヨタ自動車",), (), HEAD, *BARS], Sheet2=[])
    fetched = fetch(tmp_path, Interval.D1)
    assert fetched.outcomes == {}
    assert [row[1:7] for row in fetched.bars.rows()] == [
        (datetime(2024, 11, day, tzinfo=UTC), *(float(str(value)) for value in bar[1:]))
        for day, bar in zip((5, 6), BARS, strict=True)
    ]
    assert fetched.bars["line"].to_list() == [4, 5]


def test_codes_written_as_numbers_are_codes(tmp_path: Path) -> None:
    rows = [(code, *bar) for code in (7203, "285A", 67580) for bar in BARS]
    save(tmp_path / "all.xlsx", bars=[("コード", *HEAD), *rows])
    assert sorted(set(fetch(tmp_path, Interval.D1).bars["symbol"])) == ["285A", "6758", "7203"]


@pytest.mark.parametrize("is_split", [False, True], ids=["one column", "two columns"])
def test_every_minute_of_a_session_keeps_its_stamp(tmp_path: Path, *, is_split: bool) -> None:
    opens = datetime(2024, 11, 5, tzinfo=UTC)  # 9:00 in Tokyo
    stamps = [opens + timedelta(minutes=n) for n in range(391)]
    heads = ("Date", "Time") if is_split else ("Datetime",)
    clocks = [(at + timedelta(hours=9)).replace(tzinfo=None) for at in stamps]
    cells = [(at.date(), at.time()) if is_split else (at,) for at in clocks]
    rows = [(*each, 1, 2, 1, 2, 100) for each in cells]
    save(tmp_path / "7203.xlsx", bars=[(*heads, "Open", "High", "Low", "Close", "Volume"), *rows])
    assert fetch(tmp_path, Interval.M1).bars["opened_at"].to_list() == stamps


def test_midnight_is_a_time_of_day_among_others(tmp_path: Path) -> None:
    rows = [(date(2024, 11, 5), time(0, n), 1, 2, 1, 2, 100) for n in range(3)]
    save(tmp_path / "USDJPY.xlsx", bars=[("Date", "Time", "Open", "High", "Low", "Close", "Volume"), *rows])
    (tmp_path / "files.toml").write_text('[[rules]]\nfiles = "*"\ntime_zone = "UTC"\n')
    assert [at.minute for at in fetch(tmp_path, Interval.M1).bars["opened_at"]] == [0, 1, 2]


def test_a_bad_cell_is_named_by_its_row_in_the_sheet(tmp_path: Path) -> None:
    save(tmp_path / "7203.xlsx", bars=[("title",), HEAD, BARS[0], (BARS[1][0], "abc", *BARS[1][2:])])
    assert refusal(tmp_path) == "7203.xlsx, line 4, column 始値: expected a number, found 'abc'"


def test_cells_in_several_sheets_are_refused_by_name(tmp_path: Path) -> None:
    save(tmp_path / "7203.xlsx", y2023=[HEAD, BARS[0]], y2024=[HEAD, BARS[1]])
    assert (
        refusal(tmp_path) == "7203.xlsx: expected cells in one sheet, found them in y2023, y2024: save each as a file"
    )


def test_a_workbook_without_cells_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "7203.xlsx", bars=[])
    assert refusal(tmp_path) == "7203.xlsx, line 1: expected a header and rows, found an empty file"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0" * 200, b"Date,Open\n"])
def test_a_file_that_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "7203.xlsx").write_bytes(content)
    assert refusal(tmp_path).startswith("7203.xlsx: expected a readable xlsx file, found: ")


def test_a_cell_far_away_is_refused(tmp_path: Path) -> None:
    write_book(tmp_path, cell("A1") + cell("XFD1048576")).rename(tmp_path / "7203.xlsx")
    assert "5,000 columns and 1,024 MiB of memory to read them, found more" in refusal(tmp_path)


def test_a_workbook_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    write_book(tmp_path, (cell("A1", "A" * (1 << 20)) for _ in range(3))).rename(tmp_path / "7203.xlsx")
    assert (tmp_path / "7203.xlsx").stat().st_size < 100_000
    assert "7203.xlsx: expected at most 2 MiB, unpacked (KABOOM_FILE_MAX_MB)" in refusal(tmp_path, max_mb=2)
