"""`kaboom coverage` shows a gap, and the command that it prints repairs it."""

import shlex
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from kaboom.cli.exits import Exit
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import last_sessions
from kaboom.market.interval import Interval
from tests.fixtures.bars.holes import page_surgeon
from tests.fixtures.cli import Done, Kaboom
from tests.fixtures.servers.stacks import Api

LAST = date(2025, 11, 4)
DAYS = last_sessions(6, LAST)
#: Two that only these tests take.
SYMBOLS = ("9984", "8306")
SERIES = BarSeries("synthetic", Interval.M5)
TAKE = ("ingest", "run-daily", "--interval", "5m=6", "--session", LAST.isoformat(), "--wait", "--json")
BACK = ("ingest", "backfill", "--interval", "5m", "--from", DAYS[0].isoformat(), "--to", LAST.isoformat())
SOME = tuple(word for symbol in SYMBOLS for word in ("--symbol", symbol))


def data(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.err
    return cast("dict[str, Any]", done.json)


@pytest.fixture
def holed(at_live: Kaboom, live: Api) -> Kaboom:
    """The command line on six sessions of two symbols, of which one has lost a session and the other half of one."""
    data(at_live(*TAKE, *SOME))
    cut = page_surgeon(Path(live.data_dir) / "bars")
    cut(SERIES, DAYS[2], SYMBOLS[:1], 0.0)
    cut(SERIES, DAYS[4], SYMBOLS[1:], 0.5)
    return at_live


def gaps_of(kaboom: Kaboom) -> set[tuple[str, str, str]]:
    found = data(kaboom("coverage", "--interval", "5m", "--days", "20000", "--json"))
    rows = {(row["session"], row["symbol"], row["state"]) for row in found["gaps"]}
    return {row for row in rows if row[0] <= LAST.isoformat()}


def test_a_gap_is_shown_and_the_printed_command_repairs_it(holed: Kaboom) -> None:
    assert gaps_of(holed) == {(str(DAYS[2]), "9984", "missing"), (str(DAYS[4]), "8306", "lost")}
    done = holed("coverage", "--interval", "5m", "--days", "20000")
    assert done.code == 0
    assert "generated, not market data" in done.out
    assert "missing" in done.out
    (line,) = [line for line in done.err.splitlines() if "kaboom ingest backfill" in line]
    command = shlex.split(line.split("kaboom ", 1)[1])
    # Up to today, which is long after the sessions that are held: here only those.
    command[command.index("--to") + 1] = LAST.isoformat()

    repaired = holed(*command)
    assert repaired.code == 0
    assert "2 asked for (symbols of 5m), 2 outcomes" in repaired.out
    assert gaps_of(holed) == set()


def test_a_dry_run_prints_what_would_be_taken(holed: Kaboom) -> None:
    done = holed(*BACK, *SOME, "--dry-run")
    assert done.code == 0
    assert "5m: 2 symbol sessions of 2 symbols (lost 1, missing 1)" in done.out
    assert f"{DAYS[2]}" in done.out
    assert "9984" in done.out
    assert len(gaps_of(holed)) == 2
    planned = data(holed(*BACK, *SOME, "--dry-run", "--json"))
    assert planned["result"]["gaps"]["5m"]["cells"] == 2
    assert planned["intervals"] == {"5m": 6}
    data(holed(*BACK, *SOME, "--wait", "--json"))


def test_complete_data_is_reported(at_live: Kaboom) -> None:
    data(at_live(*TAKE, *SOME))
    done = at_live(*BACK, *SOME, "--wait")
    assert (done.code, "5m: nothing is missing" in done.out) == (0, True)
    japanese = at_live("--lang", "ja", *BACK, *SOME, "--wait")
    assert "欠損はありません" in japanese.out


def test_a_market_is_judged_whole(holed: Kaboom) -> None:
    found = data(holed("coverage", "--interval", "5m", "--days", "20000", "--market", "TSE_PRIME", "--json"))
    (row,) = [row for row in found["sessions"] if row["session"] == str(DAYS[0])]
    assert row["symbols"] > 1_500
    assert row["missing"] == row["symbols"] - 2
    assert row["verdict"] == "degraded"
    data(holed(*BACK, *SOME, "--wait", "--json"))


def test_days_without_data_are_reported(at_live: Kaboom) -> None:
    data(at_live(*TAKE, *SOME))
    if (datetime.now(UTC).date() - LAST).days < 2:
        pytest.fail("the session of this test is meant to be long ago")
    done = at_live("coverage", "--interval", "5m", "--days", "1")
    assert done.code == Exit.NOT_FOUND
    assert "kaboom ingest run-daily --wait" in done.err


@pytest.mark.parametrize(
    ("option", "message"),
    [("--from", "--from was 'soon', expected YYYY-MM-DD"), ("--interval", "--interval was 'soon=x'")],
)
def test_a_bad_option_is_refused(kaboom: Kaboom, option: str, message: str) -> None:
    done = kaboom("ingest", "backfill", option, "soon" if option == "--from" else "soon=x")
    assert done.code == Exit.USAGE
    assert message in done.err
