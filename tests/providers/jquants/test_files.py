"""J-Quants' bulk files: which hold what, and that a file which is not as documented is a fault and no quiet day."""

import gzip
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kaboom.errors import ProviderError
from kaboom.market.calendar import sessions_between
from kaboom.providers.jquants import bulk, query
from kaboom.providers.jquants.bulk import FileTable, read_file
from kaboom.providers.jquants.file_cache import BulkFile, parse_files, pick_files
from kaboom.providers.jquants.parse import DAILY_FIELDS, MINUTE_FIELDS

FRIDAY, MONDAY = date(2026, 11, 13), date(2026, 11, 16)
OCTOBER = (date(2026, 10, 1), date(2026, 10, 31))
DAILY_HEADER = "Date,Code,O,H,L,C,UL,LL,Vo,Va,AdjFactor"
DAY_FILE = BulkFile("equities_bars_daily_20261116.csv.gz", "", 1, MONDAY, MONDAY)


def row(key: str, size: Any = 100, modified: str = "2026-11-17T00:00:00+00:00") -> dict[str, Any]:
    return {"Key": key, "LastModified": modified, "Size": size}


def month(text: str, **more: Any) -> dict[str, Any]:
    return row(f"equities/bars/daily/historical/{text[:4]}/equities_bars_daily_{text}.csv.gz", **more)


def day(text: str, **more: Any) -> dict[str, Any]:
    return row(f"equities/bars/daily/live/equities_bars_daily_{text}.csv.gz", **more)


def test_files_are_asked_for_by_months() -> None:
    asked = query.ask_files(query.MINUTES, date(2026, 9, 30), MONDAY)
    assert (asked.path, asked.params) == (
        "/bulk/list",
        {"endpoint": "/equities/bars/minute", "from": "2026-09", "to": "2026-11"},
    )
    assert query.ask_address("a/b.csv.gz").params == {"key": "a/b.csv.gz"}


def test_a_name_tells_the_days() -> None:
    premium = row("equities/bars/daily/premium/live/equities_bars_daily_20261113.csv.gz", size=6933528.0)
    other = row("equities/bars/minute/live/equities_bars_minute_20261113.csv.gz")
    files = parse_files([month("202610"), premium, other], query.DAILY)
    assert [(file.first, file.last) for file in files] == [OCTOBER, (FRIDAY, FRIDAY)]
    assert (files[1].title, files[1].size, files[1].cost) == ("equities_bars_daily_20261113.csv.gz", 6933528, 5)
    assert parse_files([], query.DAILY) == ()


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([{"Key": "x"}], r"list of bulk files lacked \['LastModified', 'Size'\]"),
        ([month("202610", size="9")], "another type"),
        ([month("202610", size=-1)], "another type"),
        ([month("202610", size=True)], "another type"),
        ([month("202610", size=1.5)], "another type"),
        ([row("equities/bars/daily/2026-10.parquet")], "named such as 'equities/bars/daily/2026-10.parquet', expected"),
        ([month("202613")], "named such as"),
    ],
)
def test_a_list_that_is_not_as_documented_is_a_fault(listed: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ProviderError, match=message):
        parse_files(listed, query.DAILY)


def test_a_month_is_one_file_and_the_running_one_a_file_a_day() -> None:
    files = parse_files([month("202610"), day("20261113"), day("20261116")], query.DAILY)
    sessions = (date(2026, 10, 29), date(2026, 10, 30), FRIDAY, MONDAY)
    assert [(file.title[-15:-7], days) for file, days in pick_files(files, sessions).items()] == [
        ("y_202610", sessions[:2]),
        ("20261113", (FRIDAY,)),
        ("20261116", (MONDAY,)),
    ]


def test_a_single_session_is_read_from_the_file_of_its_day() -> None:
    files = parse_files([month("202611"), day("20261113"), day("20261116")], query.DAILY)
    assert [file.title[-15:-7] for file in pick_files(files, [MONDAY])] == ["20261116"]
    assert [file.title[-15:-7] for file in pick_files(files, [FRIDAY, MONDAY])] == ["y_202611"]


def test_the_newer_of_two_files_of_a_period_is_used() -> None:
    old, new = day("20261116"), day("20261116", modified="2026-11-18T00:00:00+00:00")
    for listed in ([old, new], [new, old]):
        (file,) = pick_files(parse_files(listed, query.DAILY), [MONDAY])
        assert file.modified.startswith("2026-11-18")


def test_a_session_without_a_file_is_a_fault() -> None:
    with pytest.raises(ProviderError, match="no bulk file holds 2026-11-16") as caught:
        pick_files(parse_files([month("202610"), day("20261113")], query.DAILY), [FRIDAY, MONDAY])
    assert caught.value.retryable


def test_a_corrected_file_has_another_name_on_disk() -> None:
    files = parse_files([month("202610"), month("202610", modified="later"), month("202610", size=7)], query.DAILY)
    assert len({file.local_name for file in files}) == 3
    assert all(file.local_name.endswith(".csv.gz") and "/" not in file.local_name for file in files)


def write(folder: Path, text: str, *, codec: str = "utf-8") -> Path:
    place = folder / "file.csv.gz"
    place.write_bytes(gzip.compress(text.encode(codec)))
    return place


def read(place: Path, fields: Any = DAILY_FIELDS, codes: tuple[str, ...] = ("72030", "285A0")) -> FileTable:
    return read_file(place, DAY_FILE, fields, days=[MONDAY], codes=codes)


ROWS = (
    "2026-11-16,13010,1,1,1,1,0,0,1,1,1\n2026-11-16,285A0,,,,,,,,,1.0\n2026-11-16,72030,10,12.5,9.0,11,0,0,100,1,0.2\n"
)


@pytest.mark.parametrize(
    "text",
    [
        f"{DAILY_HEADER}\n{ROWS}",
        f"\ufeff{DAILY_HEADER}\n{ROWS}".replace("\n", "\r\n"),
        f"{DAILY_HEADER}\n{ROWS}".rstrip(),
        f"{DAILY_HEADER},New\n{ROWS}".replace("\n2026", ",x\n2026").replace(",New,x", ",New").rstrip() + ",x\n",
    ],
    ids=["as documented", "BOM and CRLF", "no end of line", "a column more"],
)
@pytest.mark.parametrize("block", [16, 8 << 20])
def test_a_file_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, block: int) -> None:
    monkeypatch.setattr(bulk, "_BLOCK_BYTES", block)
    table = read(write(tmp_path, text))
    assert table.days == {MONDAY}
    assert table.rows.schema == pl.Schema(DAILY_FIELDS)
    assert table.rows.select("Code", "O", "H", "Vo", "AdjFactor").rows() == [
        ("285A0", None, None, None, 1.0),
        ("72030", 10.0, 12.5, 100.0, 0.2),
    ]


def test_columns_may_come_in_any_order(tmp_path: Path) -> None:
    text = "Vo,C,Time,L,H,O,Code,Date\n100,11,09:00,9,12,10.5,285A0,2026-11-16\n"
    (found,) = read(write(tmp_path, text), MINUTE_FIELDS).rows.to_dicts()
    assert found["O"] == 10.5
    assert (found["Code"], found["Time"]) == ("285A0", "09:00")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"lacked \['AdjFactor', 'C', "),
        (f"{DAILY_HEADER.replace(',C,', ',Close,')}\n{ROWS}", r"lacked \['C'\], it had \['Date'"),
        (f"{DAILY_HEADER},O\n{ROWS}", "had a column twice"),
        (f"{DAILY_HEADER}\n2026-11-16,72030,10\n", "another type"),
        (f"{DAILY_HEADER}\n2026-11-16,72030,10,,,,,,,,,\n", "another type"),
        (f"{DAILY_HEADER}\n{ROWS.replace('12.5', 'x')}", "another type"),
        (f"{DAILY_HEADER}\n{ROWS.replace('12.5', 'NaN')}", "another type"),
        (f"{DAILY_HEADER}\n{ROWS.replace('12.5', 'inf')}", "another type"),
        (f"{DAILY_HEADER}\n{ROWS.replace('2026-11-16', '16.11.2026')}", "Date in bulk file .* was no YYYY-MM-DD"),
        (f"{DAILY_HEADER}\n{ROWS}".replace("2026-11-16,13010", ",13010"), "Date in bulk file .* was no YYYY-MM-DD"),
        (f"{DAILY_HEADER}\n{ROWS}".replace("2026-11-16,13010", "2026-11-13,13010"), "had rows of 2026-11-13"),
        ("<html>maintenance</html>\n", "lacked"),
    ],
)
def test_a_file_that_is_not_as_documented_is_a_fault(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ProviderError, match=message):
        read(write(tmp_path, text))


def test_a_file_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="another type"):
        read(write(tmp_path, f"{DAILY_HEADER}\n{ROWS.replace('13010', '\u00e9')}", codec="latin-1"))


@pytest.mark.parametrize("damage", ["half", "end", "flipped", "plain", "nothing"])
def test_a_damaged_file_is_a_fault(tmp_path: Path, damage: str) -> None:
    place = write(tmp_path, f"{DAILY_HEADER}\n{ROWS * 500}")
    packed = place.read_bytes()
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    place.write_bytes(
        {
            "half": packed[: len(packed) // 2],
            "end": packed[:-4],
            "flipped": bytes(flipped),
            "plain": b"Date,Code\n",
            "nothing": b"",
        }[damage]
    )
    with pytest.raises(ProviderError) as caught:
        read(place)
    # An empty file is no gzip at all, which lacks every column.
    assert ("is damaged" in caught.value.message and caught.value.retryable) or damage == "nothing"


def test_a_file_that_unpacks_to_too_much_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_MOST_BYTES", 1_000)
    monkeypatch.setattr(bulk, "_BLOCK_BYTES", 256)
    with pytest.raises(ProviderError, match="was longer than 1,000 bytes, unpacked"):
        read(write(tmp_path, f"{DAILY_HEADER}\n{ROWS * 100}"))


def test_a_past_month_s_days_are_all_reported(tmp_path: Path) -> None:
    days = sessions_between(*OCTOBER)
    lines = [f"{d},72030,1,1,1,1,0,0,1,1,1" for d in days]
    place = write(tmp_path, "\n".join([DAILY_HEADER, *lines]))
    file = BulkFile("equities_bars_daily_202610.csv.gz", "", 1, *OCTOBER)
    table = read_file(place, file, DAILY_FIELDS, days=days[:2], codes=["72030"])
    assert table.days == set(days)
    assert table.rows["Date"].to_list() == [str(d) for d in days[:2]]
