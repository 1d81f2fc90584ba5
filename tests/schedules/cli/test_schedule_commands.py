"""`kaboom schedules` against a real API."""

import re
from collections.abc import Iterator

import pytest

from kaboom.cli.exits import Exit
from tests.cli.test_commands import data
from tests.fixtures.cli import Kaboom

SMALL = ("--interval", "1d=1", "--symbol", "7203")


@pytest.fixture
def weekly(at_live: Kaboom) -> Iterator[str]:
    """The name of a schedule, which is gone after the test."""
    assert at_live("schedules", "add", "weekly", "--cron", "0 18 * * 5", *SMALL).code == 0
    yield "weekly"
    at_live("schedules", "remove", "weekly")


def test_an_added_schedule_tells_when_it_fires(at_live: Kaboom) -> None:
    done = at_live("schedules", "add", "close", "--session-at", "16:35", "--missed", "all", *SMALL)
    assert re.search(r"^close +session 16:35 +yes +20\d\d-\d\d-\d\d 16:35", done.out, re.MULTILINE)
    assert re.search(r"close fires next at 20\d\d-\d\d-\d\d 16:35 JST", done.err)
    again = at_live("schedules", "add", "close", "--session-at", "17:00")
    assert (again.code, "exists already" in again.err) == (Exit.CONFLICT, True)
    gone = at_live("schedules", "remove", "close", "--json")
    assert data(gone)["status"] == "deleted"
    assert "its jobs stay" in gone.err


@pytest.mark.parametrize(("market", "intervals"), [("INDEX", {"1d": 1}), ("TSE_GROWTH", {"1m": 1})])
def test_the_default_interval_follows_the_market(at_live: Kaboom, market: str, intervals: dict[str, int]) -> None:
    done = at_live("schedules", "add", "of a market", "--session-at", "16:35", "--market", market, "--json")
    assert data(done)["request"]["intervals"] == intervals
    assert at_live("schedules", "remove", "of a market").code == 0


def test_a_name_is_no_markup(at_live: Kaboom) -> None:
    name = "[red]close[/red] [/]"
    assert name in at_live("schedules", "add", name, "--session-at", "16:35", *SMALL).out
    assert at_live("schedules", "remove", name).code == 0


def test_schedules_are_listed_and_shown(at_live: Kaboom, weekly: str) -> None:
    assert re.search(r"^weekly +cron 0 18 \* \* 5 +yes", at_live("schedules", "list").out, re.MULTILINE)
    shown = data(at_live("schedules", "show", weekly, "--json"))
    assert (shown["cron"], shown["request"]["symbols"], len(shown["next_due"])) == ("0 18 * * 5", ["7203"], 5)
    by_id = at_live("schedules", "show", shown["schedule_id"]).out
    assert "next (JST): 20" in by_id
    assert "missed: latest, at most 72 h late" in by_id


def test_a_schedule_is_switched_off_and_on(at_live: Kaboom, weekly: str) -> None:
    off = at_live("schedules", "disable", weekly)
    assert re.search(r"^weekly .* no ", off.out, re.MULTILINE)
    assert "kaboom schedules enable 'weekly'" in off.err
    assert data(at_live("schedules", "enable", weekly, "--json"))["is_enabled"] is True


def test_a_schedule_is_run_and_remembers_it(at_live: Kaboom, weekly: str) -> None:
    job = data(at_live("schedules", "run", weekly, "--wait", "--json"))
    assert (job["status"], job["result"]["outcomes"]) == ("completed", {"ok": 1})
    assert re.search(rf"fired \(by hand\) +{job['job_id']}", at_live("schedules", "show", weekly).out)
    again = at_live("schedules", "run", weekly)
    assert re.fullmatch(r"[0-9a-f]{32}  queued\n", again.out)


@pytest.mark.parametrize("command", ["show", "enable", "disable", "run", "remove"])
def test_an_unknown_schedule_ends_with_4(at_live: Kaboom, weekly: str, command: str) -> None:
    done = at_live("schedules", command, "monthly")
    assert (done.code, done.out) == (Exit.NOT_FOUND, "")
    assert "no schedule monthly; there are: " in done.err
    assert "'weekly'" in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "either cron or session_at"),
        (("--session-at", "8:00"), "session_at was '8:00', expected HH:MM from 09:00 to 23:59"),
        (("--cron", "daily"), "cron was 'daily', expected five fields"),
        (("--session-at", "16:35", "--missed", "never"), "'latest', 'skip' or 'all'"),
        (("--session-at", "16:35", "--interval", "7x=1"), "supported are 1m, 5m, 15m, 1h, 1d"),
        (("--session-at", "16:35", "--interval", "1m"), "expected LENGTH=NUMBER"),
    ],
)
def test_an_invalid_schedule_exits_with_2(at_live: Kaboom, options: tuple[str, ...], message: str) -> None:
    done = at_live("schedules", "add", "wrong", *options)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert message in done.err


def test_no_schedules_say_how_to_add_one(at_live: Kaboom) -> None:
    for item in data(at_live("schedules", "list", "--json"))["items"]:
        at_live("schedules", "remove", item["schedule_id"])
    done = at_live("schedules", "list")
    assert (done.code, done.out) == (0, "")
    assert "kaboom schedules add 'daily ingest' --session-at 16:35" in done.err
