"""Panels of every price in one folder are bars; what does not fit together, or one price alone, is refused."""

import asyncio
import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.file.check import describe_files
from kaboom.providers.file.provider import FileProvider

DAYS = (date(2024, 11, 5), date(2024, 11, 6))
OTHER_DAYS = "expected the same days in the same lines, found others in"
#: For each file the values of 7203 and 6758 on both days.
VALUES = {
    "open": ((10.0, 20.0), (11.0, 21.0)),
    "high": ((14.0, 24.0), (15.0, 25.0)),
    "low": ((9.0, 19.0), (8.0, 18.0)),
    "close": ((12.0, 22.0), (13.0, 23.0)),
    "volume": ((100.0, 200.0), (300.0, 400.0)),
}


def panels() -> dict[str, str]:
    """Return the text of each file; the volumes have the symbols in the other order."""
    texts = {}
    for name, rows in VALUES.items():
        is_turned = name == "volume"
        head = "Date,6758,7203.T" if is_turned else "Date,7203.T,6758"
        cells = [",".join(map(str, reversed(row) if is_turned else row)) for row in rows]
        texts[f"{name}.csv"] = "\n".join([head, *(f"{day},{row}" for day, row in zip(DAYS, cells, strict=True)), ""])
    return texts


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).write_text(text)


def fetch(root: Path) -> FetchedBars:
    provider = FileProvider(root)
    assert asyncio.run(provider.fetch_universe(Market.FILE, DAYS[-1])) == ("6758", "7203")
    return asyncio.run(provider.fetch_bars(BarRequest(("7203", "6758"), Interval.D1, DAYS)))


def refusals(root: Path) -> dict[str, str]:
    return {each["file"]: each["refusals"][0]["message"] for each in describe_files(FileProvider(root))}


def test_each_value_comes_to_its_symbol_day_and_price(tmp_path: Path) -> None:
    write(tmp_path, panels())
    fetched = fetch(tmp_path)
    assert fetched.outcomes == {}
    found = {(bar[0], bar[1].date()): bar[2:7] for bar in fetched.bars.rows()}
    assert found == {
        (symbol, day): tuple(VALUES[name][row][column] for name in ("open", "high", "low", "close", "volume"))
        for column, symbol in enumerate(("7203", "6758"))
        for row, day in enumerate(DAYS)
    }
    assert fetched.bars.select("file", "line").unique().sort("line").rows() == [("close.csv", 2), ("close.csv", 3)]


def test_panels_in_a_zip_are_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "panels.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in panels().items():
            archive.writestr(f"daily/{name}", text)
    assert fetch(tmp_path).bars.height == 4


def test_a_symbol_without_values_on_a_day_has_no_bar(tmp_path: Path) -> None:
    texts = {name: text.replace(text.splitlines()[2], "2024-11-06,13,") for name, text in panels().items()}
    texts["volume.csv"] = "Date,7203,6758\n2024-11-05,100,200\n2024-11-06,300,\n"
    write(tmp_path, texts)
    fetched = fetch(tmp_path)
    assert fetched.bars.filter(symbol="6758")["opened_at"].dt.date().to_list() == [DAYS[0]]
    assert fetched.outcomes == {}


def test_a_changed_price_is_read_again(tmp_path: Path) -> None:
    write(tmp_path, panels())
    provider = FileProvider(tmp_path)
    request = BarRequest(("7203",), Interval.D1, DAYS)
    assert asyncio.run(provider.fetch_bars(request)).bars["high"].to_list() == [14.0, 15.0]
    write(tmp_path, {"high.csv": panels()["high.csv"].replace("14.0", "14.55")})
    assert asyncio.run(provider.fetch_bars(request)).bars["high"].to_list() == [14.55, 15.0]


def test_a_missing_volume_is_zero_and_said(tmp_path: Path) -> None:
    write(tmp_path, {name: text for name, text in panels().items() if name != "volume.csv"})
    [found] = describe_files(FileProvider(tmp_path))
    assert found["notes"] == ["no column of volume: bars are stored with volume 0"]
    assert set(fetch(tmp_path).bars["volume"]) == {0.0}


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("high.csv", "14.0", "1x", "close.csv, line 2, column high 7203.T: expected a number, found '1x'"),
        ("low.csv", "2024-11-06", "2024-11-07", f"close.csv: {OTHER_DAYS} low.csv"),
        ("open.csv", "2024-11-06,11.0,21.0\n", "", f"close.csv: {OTHER_DAYS} open.csv"),
        ("open.csv", "6758", "9984", "close.csv, line 1: expected the same symbols in each price, found '6758'"),
        ("high.csv", "6758", "6758,9984", "close.csv, line 1: expected the same symbols in each price, found '9984'"),
        ("high.csv", ",6758", "", "close.csv, line 1: expected the same symbols in each price, found '6758'"),
        ("close.csv", "6758", "7203", "close.csv, line 1: expected one column for each symbol, found two of '7203'"),
        ("close.csv", "6758", "note: x", "close.csv, line 1: symbol was 'note: x'"),
    ],
)
def test_panels_that_do_not_fit_are_refused(tmp_path: Path, name: str, old: str, new: str, why: str) -> None:
    texts = panels()
    write(tmp_path, texts | {name: texts[name].replace(old, new)})
    [message] = refusals(tmp_path).values()
    assert message.startswith(why)


@pytest.mark.parametrize("head", ["Date,7203,6758", ",7203.T,6758.T", "日付,7203,6758", "Date,AAPL,MSFT", "Date,7203"])
def test_one_price_alone_is_refused(tmp_path: Path, head: str) -> None:
    row = "2024-11-05" + ",1" * head.count(",")
    write(tmp_path, {"close.csv": f"{head}\n{row}\n"})
    assert "found one value a day for each symbol" in refusals(tmp_path)["close.csv"]
    assert asyncio.run(FileProvider(tmp_path).fetch_left_out())


def test_a_unit_above_the_volumes_counts(tmp_path: Path) -> None:
    write(tmp_path, {name: "単位:千株\n" + text if name == "volume.csv" else text for name, text in panels().items()})
    request = BarRequest(("6758", "7203"), Interval.D1, DAYS)
    bars = asyncio.run(FileProvider(tmp_path).fetch_bars(request)).bars
    assert sorted(bars["volume"]) == [100_000.0, 200_000.0, 300_000.0, 400_000.0]


def test_an_unclear_unit_above_the_volumes_is_refused(tmp_path: Path) -> None:
    write(
        tmp_path, {name: "in lots of 100\n" + text if name == "volume.csv" else text for name, text in panels().items()}
    )
    [message] = refusals(tmp_path).values()
    assert "volume.csv: expected the unit of volumes" in message


def test_a_missing_price_refuses_the_others(tmp_path: Path) -> None:
    write(tmp_path, {name: text for name, text in panels().items() if name != "low.csv"})
    assert set(refusals(tmp_path)) == {"close.csv", "high.csv", "open.csv", "volume.csv"}


def test_panels_of_a_whole_market_are_read(tmp_path: Path) -> None:
    symbols = [str(number) for number in range(1300, 3300)]
    frame = pl.DataFrame({"Date": DAYS, **{symbol: [float(symbol), float(symbol)] for symbol in symbols}})
    for name in ("open", "high", "low", "close", "volume"):
        frame.write_csv(tmp_path / f"{name}.csv")
    [found] = describe_files(FileProvider(tmp_path))
    assert (found["rows"], len(found["symbols"]), found["refusals"]) == (4000, 2000, [])
