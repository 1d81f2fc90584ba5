"""`kaboom bars export` and `mirror`: files of what is held, a summary on stdout, progress on a terminal alone."""

import asyncio
import shutil
from datetime import date
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from kaboom.bars.pages.store import PageBarStore
from kaboom.cli.exits import Exit
from kaboom.drivers.clock import utc_now
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame, full_day
from tests.fixtures.cli import Done, Kaboom

DAYS = (date(2025, 10, 31), date(2025, 11, 4))
OWN = BarSeries("file", Interval.D1)


@pytest.fixture
def held(kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kaboom:
    """A command line on a data folder that holds bars of two providers."""

    async def write() -> None:
        store = PageBarStore(tmp_path / "data" / "bars")
        for day in DAYS:
            await store.write(MINUTES, full_day(["6758", "7203"], day))
            await store.write(DAILY, frame(bar("7203", at(day))))
        await store.write(OWN, frame(bar("^N225", at(DAYS[1]))))
        await store.close()

    asyncio.run(write())
    monkeypatch.setenv("KABOOM_DATA_DIR", str(tmp_path / "data"))
    return kaboom


def data(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.err
    return cast("dict[str, Any]", done.json)


def test_one_file_of_one_symbol_and_session(held: Kaboom) -> None:
    done = held("bars", "export", "one.csv", "--symbol", "72030", "--first", "2025-11-04", "--last", "2025-11-04")
    assert done.code == 0, done.err
    assert done.out == "one.csv  327  synthetic\n"
    assert "327 bars in 1 file" in done.err
    assert "generated, not market data" in done.err
    lines = Path("one.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "provider,interval,symbol,opened_at,open,high,low,close,volume,flags"
    assert lines[1].startswith("synthetic,1m,7203,2025-11-04T00:00:00Z,")
    assert len(lines) == 1 + 327


def test_a_folder_and_its_summary(held: Kaboom) -> None:
    summary = data(held("bars", "export", "out", "--format", "arrow", "--json"))
    files = [(f["path"], f["bars"], f["provider"], f["is_real"], f["interval"]) for f in summary["files"]]
    assert files == [
        (f"out/synthetic/1m/{month}.arrow", 654, "synthetic", False, "1m") for month in ("2025-10", "2025-11")
    ]
    assert (summary["bars"], summary["bytes"]) == (1308, sum(f["bytes"] for f in summary["files"]))
    assert pl.read_ipc("out/synthetic/1m/2025-10.arrow").height == 654


def test_a_mirror_without_a_manifest_goes_on_with_everything_apart(held: Kaboom) -> None:
    older = Path("mirror/synthetic/1m/2025-10.parquet")
    older.parent.mkdir(parents=True)
    older.write_bytes(b"of an earlier release")
    summary = data(held("bars", "mirror", "mirror", "--json"))
    paths = [f["path"].removeprefix("mirror/") for f in summary["files"]]
    assert paths == [
        "file/1d/2025.parquet",
        "synthetic/1d/2025.parquet",
        "synthetic/1m/2025-10.parquet",
        "synthetic/1m/2025-11.parquet",
    ]
    again = data(held("bars", "mirror", "mirror", "--months", "1", "--json"))
    assert [f["path"].rpartition("/")[2] for f in again["files"]] == ["2025.parquet", "2025.parquet", "2025-11.parquet"]
    assert sorted(p.relative_to("mirror").as_posix() for p in Path("mirror").rglob("*.*")) == paths
    assert "generated" not in held("bars", "export", "own.csv", "--source", "file", "--interval", "1d").err


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (Exit.USAGE, ("export", "bars.xlsx"), "expected a suffix of .parquet"),
        (Exit.USAGE, ("export", "out", "--format", "xlsx"), "expected one of csv, arrow, parquet"),
        (Exit.USAGE, ("export", "a.csv", "--interval", "7m"), "supported are 1m"),
        (Exit.USAGE, ("export", "a.csv", "--first", "yesterday"), "--first was 'yesterday'"),
        (Exit.USAGE, ("export", "a.csv", "--first", "2025-11-04", "--last", "2025-11-03"), "expected them in order"),
        (Exit.USAGE, ("export", "a.csv", "--symbol", "../etc"), "expected a TSE local code"),
        (Exit.USAGE, ("mirror", "out", "--format", "json"), "expected one of csv, arrow, parquet"),
        (Exit.NOT_FOUND, ("export", "a.csv", "--symbol", "9999"), "no bars of 9999 1m"),
        (Exit.NOT_FOUND, ("show", "9999"), "; no symbol list has 9999; nearest to it: 9997, "),
        (Exit.NOT_FOUND, ("export", "a.csv", "--source", "file"), "no bars of file 1m"),
    ],
)
def test_a_rejected_export_leaves_no_file(held: Kaboom, code: Exit, arguments: tuple[str, ...], said: str) -> None:
    done = held("bars", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err.replace("\n", " ")
    assert [p.name for p in Path().iterdir()] == ["data"]


ROLLED = BarSeries("synthetic_from_1m", Interval.D1)


@pytest.fixture
def rolled(held: Kaboom, tmp_path: Path) -> Kaboom:
    """The same after a roll-up: three sources hold daily bars."""

    async def write() -> None:
        store = PageBarStore(tmp_path / "data" / "bars")
        await store.write(ROLLED, frame(*(bar("7203", at(day), 200.0) for day in DAYS)))
        await store.close()

    asyncio.run(write())
    return held


@pytest.mark.parametrize(
    ("provider", "source", "others"),
    [("synthetic", "synthetic", "file, synthetic_from_1m"), ("file", "file", "synthetic, synthetic_from_1m")],
)
def test_after_a_roll_up_the_providers_own_bars_are_taken_and_named(
    rolled: Kaboom, monkeypatch: pytest.MonkeyPatch, provider: str, source: str, others: str
) -> None:
    monkeypatch.setenv("KABOOM_PROVIDER", provider)
    symbol = "^N225" if provider == "file" else "7203"
    shown = rolled("bars", "show", symbol, "--interval", "1d", "--json")
    assert data(shown)["source"] == source
    assert shown.err == f"bars of {source}; also held, for --source: {others}\n"
    assert data(rolled("coverage", "--interval", "1d", "--days", "20000", "--json"))["source"] == source
    exported = data(rolled("bars", "export", "a.csv", "--interval", "1d", "--json"))
    assert {file["provider"] for file in exported["files"]} == {source}
    assert rolled("bars", "show", "7203", "--interval", "1m").err == ""


def test_rolled_up_bars_are_exported_if_the_provider_has_no_others(rolled: Kaboom, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "data" / "bars" / "synthetic" / "1d")
    shown = rolled("bars", "show", "7203", "--interval", "1d", "--json")
    assert data(shown)["source"] == "synthetic_from_1m"
    assert shown.err == "bars of synthetic_from_1m; also held, for --source: file\n"


def test_of_other_providers_alone_one_has_to_be_named(rolled: Kaboom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KABOOM_PROVIDER", "jquants")
    done = rolled("bars", "show", "7203", "--interval", "1d")
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert "choose one with --source" in done.err


@pytest.mark.parametrize("text", ["\uff17\uff12\uff10\uff13", " 7203 ", "72030"])
def test_a_symbol_is_shown_however_it_is_written(held: Kaboom, text: str) -> None:
    shown = held("bars", "show", text, "--interval", "1d", "--source", "synthetic")
    assert (shown.code, shown.out.startswith("7203 1d: ")) == (0, True), shown.err


def test_a_text_that_is_no_symbol_is_refused(held: Kaboom) -> None:
    done = held("bars", "show", "toyota", "--source", "synthetic")
    assert (done.code, "symbol was 'toyota', expected a TSE local code" in done.err) == (Exit.USAGE, True)


def test_an_index_is_shown_by_its_name(held: Kaboom, tmp_path: Path) -> None:
    async def write() -> None:
        store = PageBarStore(tmp_path / "data" / "bars")
        await store.write(DAILY, frame(bar("^0000", at(DAYS[0]), 2149.5)))
        await store.write(OWN, frame(bar("TOPIX", at(DAYS[0]), 7.5)))
        await store.close()

    asyncio.run(write())
    topix = held("bars", "show", "topix", "--interval", "1d", "--source", "synthetic")
    assert topix.out.startswith("^0000 1d: 1 bar\n")
    # A file's own name is its symbol.
    assert held("bars", "show", "TOPIX", "--interval", "1d", "--source", "file").out.startswith("TOPIX 1d: 1 bar\n")
    # Its coverage counts indices, of which a symbol of an issue is none.
    asked = ("coverage", "--interval", "1d", "--days", "20000", "--source", "synthetic", "--market")
    of_indices, of_issues = held(*asked, "INDEX"), held(*asked, "TSE_PRIME")
    assert "1d: 1 index session\n" in of_indices.out
    assert ("indices" in of_indices.out, "symbols" in of_indices.out) == (True, False)
    assert ("indices" in of_issues.out, "symbols" in of_issues.out) == (False, True)


def test_an_empty_store_has_nothing_to_mirror(kaboom: Kaboom) -> None:
    assert kaboom("bars", "mirror", "out").code == Exit.NOT_FOUND


def test_bars_as_of_a_moment_are_the_old_ones(held: Kaboom, tmp_path: Path) -> None:
    moment = utc_now().isoformat()

    async def correct() -> None:
        store = PageBarStore(tmp_path / "data" / "bars")
        await store.write(DAILY, frame(bar("7203", at(DAYS[0]), 55.0)))
        await store.close()

    asyncio.run(correct())
    options = ("--interval", "1d", "--source", "synthetic")
    closes = []
    for extra in ((), ("--as-of", moment)):
        assert held("bars", "export", "out.parquet", *options, *extra).code == 0
        closes.append(pl.read_parquet("out.parquet")["close"].to_list())
        shown = data(held("bars", "show", "7203", *options, *extra, "--json"))
        assert [row["close"] for row in shown["bars"]] == closes[-1]
        counted = data(held("bars", "indicators", "7203", *options, *extra, "-i", "sma:2", "--json"))
        assert [row["close"] for row in counted["bars"]] == closes[-1]
    assert closes == [[55.0, 100.0], [100.0, 100.0]]


@pytest.mark.parametrize("text", ["yesterday", "2025-11-04T09:00:00", "2199-01-01"])
def test_an_invalid_moment_is_rejected(held: Kaboom, text: str) -> None:
    done = held("bars", "show", "7203", "--source", "synthetic", "--as-of", text)
    assert done.code == Exit.USAGE
    assert text[:10] in done.err


@pytest.mark.parametrize(
    ("arguments", "days"),
    [
        (("--interval", "1m"), DAYS[1:]),
        (("--interval", "1m", "--session", "2025-10-31"), DAYS[:1]),
        (("--interval", "1d"), DAYS),
        (("--interval", "1d", "--session", "2025-10-31"), DAYS[:1]),
    ],
)
def test_bars_of_the_newest_session_or_of_all_days_are_shown(
    held: Kaboom, arguments: tuple[str, ...], days: tuple[date, ...]
) -> None:
    bars = data(held("bars", "show", "7203", *arguments, "--source", "synthetic", "--json"))["bars"]
    assert sorted({each["opened_at"][:10] for each in bars}) == [str(day) for day in days]
    assert len(bars) == len(days) * (327 if "1m" in arguments else 1)
