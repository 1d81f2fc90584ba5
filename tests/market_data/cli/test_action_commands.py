"""`kaboom actions`: what was reported and suspected is listed, and a person's word counts."""

import asyncio
from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import Any, Self

import polars as pl
import pytest

from kaboom.bars.actions.sqlite import SqliteActionStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.cli.exits import Exit
from kaboom.drivers.clock import utc_now
from kaboom.market.action import ActionState
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market_data.cli import export as export_module
from tests.fixtures.bars.noted_actions import note
from tests.fixtures.bars.stored_bars import DAILY, at, bar, frame
from tests.fixtures.cli import Done, Kaboom

DAYS = (date(2025, 10, 31), date(2025, 11, 4))


@pytest.fixture
def noted(kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kaboom:
    """A command line on a data folder with a reported split, a suspected one, and bars around the latter."""

    async def write() -> None:
        actions, store = SqliteActionStore(tmp_path / "data" / "bars"), PageBarStore(tmp_path / "data" / "bars")
        await actions.save("synthetic", note("6758", DAYS[1], 0.2))
        await actions.save("synthetic", note("7203", DAYS[1], 0.5, ActionState.SUSPECTED))
        await store.write(DAILY, frame(*(bar("7203", at(day), 100.0) for day in DAYS)))
        await store.close()

    asyncio.run(write())
    monkeypatch.setenv("KABOOM_DATA_DIR", str(tmp_path / "data"))
    return kaboom


def states(done: Done) -> dict[str, tuple[float, str]]:
    assert done.code == 0, done.err
    found: Any = done.json
    return {item["symbol"]: (item["factor"], item["state"]) for item in found["items"]}


def exported(kaboom: Kaboom, *options: str) -> pl.DataFrame:
    done = kaboom("bars", "export", "out.parquet", "--interval", "1d", *options)
    assert done.code == 0, done.err
    return pl.read_parquet("out.parquet")


def test_the_list_says_what_is_suspected(noted: Kaboom) -> None:
    done = noted("actions", "list")
    assert done.code == 0
    assert [line.split() for line in done.out.splitlines()] == [
        ["symbol", "ex_session", "factor", "amount", "kind", "state"],
        ["6758", "2025-11-04", "0.2", "split", "reported"],
        ["7203", "2025-11-04", "0.5", "split", "suspected"],
    ]
    assert "kaboom actions reject 7203 2025-11-04 --source synthetic\n" in done.err
    assert states(noted("actions", "list", "--symbol", "72030", "--json")) == {"7203": (0.5, "suspected")}
    assert states(noted("actions", "list", "--state", "reported", "--json")) == {"6758": (0.2, "reported")}
    assert states(noted("actions", "list", "--source", "jquants", "--json")) == {}
    assert "no corporate actions of file" in noted("actions", "list", "--source", "file").err


def test_the_commands_of_the_list_run_as_they_are_printed(noted: Kaboom) -> None:
    lines = noted("actions", "list").err.splitlines()
    commands = [line.partition("kaboom ")[2].split() for line in lines if "kaboom actions" in line]
    assert [command[1] for command in commands] == ["confirm", "reject"]
    for command, state in zip(commands, ("confirmed", "rejected"), strict=True):
        assert noted(*command).code == 0
        assert states(noted("actions", "list", "--json"))["7203"] == (0.5, state)


def test_a_word_moves_an_action_and_the_adjusted_bars_with_it(noted: Kaboom) -> None:
    raw = exported(noted)
    assert exported(noted, "--adjusted")["close"].to_list() == [100.0, 100.0]
    assert noted("actions", "confirm", "7203", "2025-11-04").code == 0
    adjusted = exported(noted, "--adjusted")
    assert adjusted["close"].to_list() == [50.0, 100.0]
    assert adjusted.columns == ["provider", "interval", "action_set", *raw.columns[2:]]
    assert noted("actions", "confirm", "7203", "2025-11-04", "--factor", "1/4", "--force").code == 0
    assert exported(noted, "--adjusted")["close"].to_list() == [25.0, 100.0]
    assert noted("actions", "reject", "7203", "2025-11-04").code == 0
    assert exported(noted, "--adjusted")["close"].to_list() == [100.0, 100.0]
    assert states(noted("actions", "list", "--json"))["7203"] == (0.25, "rejected")
    assert exported(noted).equals(raw)


def test_an_action_of_ones_own_is_confirmed(noted: Kaboom) -> None:
    done = noted("actions", "add", "7203", "2025-10-31", "10", "--json")
    assert done.json == {
        "source": "synthetic",
        "symbol": "7203",
        "ex_session": "2025-10-31",
        "factor": 10.0,
        "amount": 0.0,
        "kind": "reverse_split",
        "state": "confirmed",
    }
    assert "raw bars do not change" in noted("actions", "add", "9984", "2025-10-31", "0.93727").err


def test_an_action_that_the_bars_speak_against_needs_force(noted: Kaboom) -> None:
    before = noted("actions", "list", "--json").json
    split = ("actions", "add", "7203", "2025-11-04", "1/2")
    done = noted(*split)
    assert done.code == Exit.USAGE
    assert "the open was 99 yen on 2025-11-04 after a close of 100 yen on 2025-10-31, expected about 50 yen" in done.err
    assert "add --force to keep it" in done.err
    assert "食い違います" in noted("--lang", "ja", *split).err
    assert noted("actions", "add", "7203", "2025-11-04", "--dividend", "45").code == Exit.USAGE
    assert noted("actions", "confirm", "7203", "2025-11-04", "--factor", "1/4").code == Exit.USAGE
    assert noted("actions", "list", "--json").json == before
    assert noted(*split, "--force").code == 0
    assert noted("actions", "add", "7203", "2025-11-04", "--dividend", "5").code == 0


def test_adjusted_files_never_take_the_place_of_raw_ones(noted: Kaboom) -> None:
    for option in ((), ("--adjusted",)):
        assert noted("bars", "export", "out", "--interval", "1d", *option).code == 0
    folders = {path.parent.name for path in Path("out").rglob("*.parquet")}
    assert folders == {"1d", "1d-adjusted"}


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (Exit.NOT_FOUND, ("confirm", "9984", "2025-11-04"), "has no action of 9984 on 2025-11-04"),
        (Exit.NOT_FOUND, ("reject", "7203", "2025-10-31"), "kaboom actions list --symbol 7203 --source synthetic"),
        (Exit.USAGE, ("add", "7203", "yesterday", "1/2"), "ex-session was 'yesterday'"),
        (Exit.USAGE, ("add", "7203", "2025-11-04", "1"), "factor was 1"),
        (Exit.USAGE, ("add", "../etc", "2025-11-04", "1/2"), "expected a TSE local code"),
        (Exit.USAGE, ("list", "--source", "nobody"), "provider was 'nobody'"),
        (Exit.USAGE, ("list", "--state", "sure"), "Invalid value for '--state'"),
    ],
)
def test_invalid_actions_are_rejected(noted: Kaboom, code: Exit, arguments: tuple[str, ...], said: str) -> None:
    done = noted("actions", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err.replace("\n", " ")


def test_japanese_is_spoken_too(noted: Kaboom) -> None:
    assert "推定のため適用されません" in noted("--lang", "ja", "actions", "list").err


def test_a_split_adjusts_from_the_midnight_of_its_ex_session_in_japan(
    noted: Kaboom, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Midnight(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(2025, 11, 3, 15, tzinfo=tz)

    assert noted("actions", "confirm", "7203", "2025-11-04").code == 0
    monkeypatch.setattr(export_module, "datetime", Midnight)
    assert exported(noted, "--adjusted")["close"].to_list() == [50.0, 100.0]


def test_actions_as_of_a_moment_are_those_known_then(noted: Kaboom) -> None:
    moment = utc_now().isoformat()
    assert noted("actions", "confirm", "7203", str(DAYS[1])).code == 0
    assert states(noted("actions", "list", "--json"))["7203"] == (0.5, "confirmed")
    assert states(noted("actions", "list", "--as-of", moment, "--json"))["7203"] == (0.5, "suspected")


def test_a_dividend_is_added_rejected_and_confirmed_beside_a_split(noted: Kaboom) -> None:
    raw = exported(noted, "--adjusted")
    assert noted("actions", "add", "6758", "2025-11-04", "--dividend", "12.5").code == 0

    def found() -> list[tuple[str, float, float, str]]:
        listed: Any = noted("actions", "list", "--symbol", "6758", "--json").json
        return [(item["kind"], item["factor"], item["amount"], item["state"]) for item in listed["items"]]

    split = ("split", 0.2, 0.0, "reported")
    assert found() == [split, ("dividend", 1.0, 12.5, "confirmed")]
    assert exported(noted, "--adjusted").equals(raw)
    assert noted("actions", "reject", "6758", "2025-11-04", "--dividend").code == 0
    assert found() == [split, ("dividend", 1.0, 12.5, "rejected")]
    assert noted("actions", "confirm", "6758", "2025-11-04", "--dividend").code == 0
    assert found()[1][3] == "confirmed"
    assert noted("actions", "reject", "7203", "2025-11-04", "--dividend").code == Exit.NOT_FOUND
    for wrong in ((), ("1/2", "--dividend", "5")):
        assert noted("actions", "add", "6758", "2025-11-04", *wrong).code == Exit.USAGE
    for amount in ("0", "1e7", "nan"):
        assert "dividend was" in noted("actions", "add", "6758", "2025-11-04", "--dividend", amount).err


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2025-11-03", "not a trading day; the nearest are 2025-10-31 and 2025-11-04"),
        ("1989-01-04", "expected a trading day from 1990"),
        ("9999-12-31", "expected a trading day from 1990"),
    ],
)
def test_an_action_is_of_a_session(noted: Kaboom, day: str, said: str) -> None:
    before = noted("actions", "list", "--json").json
    for action in (("1/2",), ("--dividend", "45")):
        done = noted("actions", "add", "7203", day, *action)
        assert (done.code, said in done.err) == (Exit.USAGE, True)
    assert noted("actions", "list", "--json").json == before
    # Files of any exchange have a calendar of their own.
    assert noted("actions", "add", "AAPL", day, "1/2", "--source", "file").code == 0


@pytest.mark.parametrize("source", ["synthetic", "synthetic_from_1m"])
def test_an_action_is_held_against_bars_however_they_were_made(kaboom: Kaboom, tmp_path: Path, source: str) -> None:
    async def write() -> None:
        store = PageBarStore(tmp_path / "data" / "bars")
        await store.write(BarSeries(source, Interval.D1), frame(*(bar("7203", at(day), 100.0) for day in DAYS)))
        await store.close()

    asyncio.run(write())
    done = kaboom("--data-dir", str(tmp_path / "data"), "actions", "add", "7203", str(DAYS[1]), "1/2")
    assert (done.code, "add --force to keep it" in done.err) == (Exit.USAGE, True)
