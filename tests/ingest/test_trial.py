"""A trial of an ingest says what an ingest of the same files does: each stored bar, and each rejected row."""

from datetime import date
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest

from kaboom.bars.open import build_bar_store
from kaboom.bars.store import QUARANTINE_SCHEMA
from kaboom.domain_settings import BatchSettings
from kaboom.errors import InvalidRequest, ProviderError
from kaboom.ingest.request import IngestRequest
from kaboom.ingest.run_daily import run_daily_ingest
from kaboom.ingest.trial import try_ingest
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.outcome import OutcomeReport
from kaboom.providers.file.check import describe_files
from kaboom.providers.file.provider import FileProvider

pytestmark = pytest.mark.anyio
HEADER = "Date,Open,High,Low,Close,Volume"
GOOD = "1300,1310,1290,1305,1000"
#: Each line of a file, and the reason for which it is rejected, if it is.
LINES = [
    (f"2024-01-04,{GOOD}", ""),
    ("2024-01-05,-5,10,-6,8,1000", "bad_price"),
    ("2024-01-09,1300,1290,1310,1305,1000", "ohlc_order"),
    ("2024-01-10,NaN,1310,1290,1305,1000", "bad_price"),
    ("2024-01-11,1300,1e308,1290,1305,1000", "bad_price"),
    (f"2099-01-05,{GOOD}", "future"),
    (f"2024-01-12,{GOOD}", "duplicate"),
    ("2024-01-12,1400,1410,1390,1405,1000", ""),
    ("2024-01-15,abc,1310,1290,1305,1000", "bad_price"),
    (f"soon,{GOOD}", "unreadable"),
    (f"later,{GOOD}", "unreadable"),
    (f"2024-01-16,{GOOD},7,8", "unreadable"),
    (f"9999-12-31,{GOOD}", "unreadable"),
    ("2024-01-17,a,b,c,d,e", "unreadable"),
    ("2024-01-18,-,-,-,-,-", ""),
    (f"2024-01-19,{GOOD}", ""),
]
#: Two rows of a vendor, as they came: the close is above the high, and the open below the low.
VENDOR = ["2015-03-05,209.4,210.8,209.9,210.5,100", f"2015-03-06,{GOOD}", "2015-03-30,205.7,208.6,207.0,208.2,100"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files with bad rows of every kind, and one without."""
    root = tmp_path / "files"
    root.mkdir()
    (root / "2222.csv").write_text("\n".join([HEADER, *(line for line, _ in LINES)]))
    (root / "SPY.csv").write_text("\n".join([HEADER, *VENDOR]))
    (root / "1111.csv").write_text("\n".join([HEADER, *(f"2024-02-{day:02},{GOOD}" for day in range(1, 10))]))
    return root


async def ingest(folder: Path, **values: object) -> tuple[OutcomeReport, pl.DataFrame]:
    settings = BatchSettings(data_dir=folder.parent / uuid4().hex, provider="file", file_dir=folder, bar_store="pages")
    request = IngestRequest.parse({"market": "FILE", "provider": "file", **values})
    report = await run_daily_ingest(request, settings=settings)
    store = build_bar_store(settings)
    rejected = await store.read_quarantine(BarSeries("file", Interval.D1))
    await store.close()
    return report, rejected


async def test_a_trial_finds_each_bad_row_by_its_line(folder: Path) -> None:
    trial = await try_ingest(FileProvider(folder))
    found = trial.rejected.filter(pl.col("file") == "2222.csv").sort("line")["line", "reason"].rows()
    assert found == [(n, reason) for n, (_, reason) in enumerate(LINES, start=2) if reason]
    assert trial.rejected.filter(pl.col("file") == "SPY.csv").sort("line")["line", "reason"].rows() == [
        (2, "ohlc_order"),
        (4, "ohlc_order"),
    ]
    days = trial.days[Interval.D1]
    assert (days[0], days[-1], len(days)) == (date(2015, 3, 5), date(2024, 2, 9), 22)


async def test_an_ingest_stores_and_rejects_what_the_trial_says(folder: Path) -> None:
    trial = await try_ingest(FileProvider(folder))
    report, rejected = await ingest(folder, all_days=True)
    assert list(report.outcomes) == list(trial.outcomes[Interval.D1])
    keys = ["symbol", "file", "line", "reason"]
    assert sorted(rejected[keys].rows()) == sorted(trial.rejected[keys].rows())
    assert report.rows == trial.to_json()["stored"] == 3 + 1 + 9
    assert sum(outcome.refused for outcome in report.outcomes) == rejected.height == report.counts["quarantined"]
    assert rejected.schema == QUARANTINE_SCHEMA


async def test_an_outcome_says_how_many_rows_were_stored(folder: Path) -> None:
    report, _ = await ingest(folder, all_days=True)
    said = {outcome.symbol: (outcome.outcome.value, outcome.message) for outcome in report.outcomes}
    place = "2222.csv, line 10, column Open: expected a number, found 'abc'"
    assert said["1111"] == ("ok", "")
    assert said["2222"][0] == "invalid"
    assert said["2222"][1].startswith(f"3 of 15 rows were stored; {place}")
    row = "open 209.4, high 210.8, low 209.9, close 210.5, volume 100"
    why = f"rejected: ohlc_order (SPY.csv, line 2, with {row})"
    assert said["SPY"] == ("invalid", f"1 of 3 rows were stored; {why}")


async def test_a_file_shows_the_rows_that_quality_rules_reject(folder: Path) -> None:
    provider = FileProvider(folder)
    files = describe_files(provider)
    (await try_ingest(provider)).add_rejected(files)
    shown = {file["file"]: [refusal["message"] for refusal in file["refusals"]] for file in files}
    assert shown["1111.csv"] == []
    assert shown["SPY.csv"] == ["SPY.csv, line 2: rejected: ohlc_order (2 rows)"]
    assert "2222.csv, line 7: rejected: future" in shown["2222.csv"]
    # A cell that is no number is named once, by its column.
    assert [line for line in shown["2222.csv"] if "line 10" in line] == [
        "2222.csv, line 10, column Open: expected a number, found 'abc'"
    ]


async def test_days_are_chosen_by_first_and_last_or_by_a_look_back(folder: Path) -> None:
    of_two = await ingest(folder, first="2024-02-05", session="2024-02-06")
    assert of_two[0].rows == 2
    assert (await ingest(folder, intervals={"1d": 3}, symbols=["1111"]))[0].rows == 3
    assert (await ingest(folder, intervals={"1d": 99_999}, symbols=["1111"]))[0].rows == 9
    with pytest.raises(
        InvalidRequest, match="no 1d day from 2020-01-01 to 2020-02-01 is in the files; they have 23 days"
    ):
        await ingest(folder, first="2020-01-01", session="2020-02-01")


async def test_a_named_symbol_without_a_file_fails_with_a_hint(folder: Path) -> None:
    report, _ = await ingest(folder, all_days=True, symbols=["1111", "ZZZZ"])
    assert [outcome.outcome.value for outcome in report.outcomes] == ["ok", "invalid"]
    assert "to see what they have: kaboom files check" in report.outcomes[1].message


async def test_a_named_symbol_with_bars_of_another_length_fails_in_the_asked_one(folder: Path) -> None:
    minutes = [f"2024-02-01 09:{minute:02},{GOOD}" for minute in range(5)]
    (folder / "3333.csv").write_text("\n".join([HEADER, *minutes]))
    of_days, _ = await ingest(folder, all_days=True, symbols=["1111"])
    assert [(outcome.symbol, outcome.rows) for outcome in of_days.outcomes] == [("1111", 9)]
    (of_minutes,) = (await ingest(folder, intervals={"1m": 5}, symbols=["1111"]))[0].outcomes
    assert of_minutes.message == "no 1m bars of it are in your files; to see what they have: kaboom files check"


async def test_files_without_any_bar_say_why(tmp_path: Path) -> None:
    (tmp_path / "7203.csv").write_text(f"{HEADER}\nsoon,{GOOD}\n")
    with pytest.raises(ProviderError, match="expected a date such as"):
        await try_ingest(FileProvider(tmp_path))
