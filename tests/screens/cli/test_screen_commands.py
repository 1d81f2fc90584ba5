"""`kaboom screen` and `kaboom screens` against a real API."""

from collections.abc import Iterator

import pytest

from kaboom.cli.exits import Exit
from tests.cli.test_commands import data
from tests.fixtures.cli import Kaboom


@pytest.fixture
def saved(at_live: Kaboom) -> Iterator[str]:
    """The name of a saved screen, which is gone after the test."""
    yield "cheap"
    at_live("screens", "delete", "cheap")


def test_a_fault_names_the_place_in_the_expression(at_live: Kaboom) -> None:
    done = at_live("screen", "close > 1 and rsi14 < 30")
    assert done.code == Exit.USAGE
    assert "at character 15 of the expression: rsi14 is not a column, the nearest name is rsi_14" in done.err


def test_a_screen_without_bars_says_what_is_missing(at_live: Kaboom) -> None:
    done = at_live("screen", "close > 0", "--session", "2015-01-05")
    assert done.code == Exit.USAGE
    assert "no daily bars of synthetic are held of 2015-01-05" in done.err


def test_a_condition_is_saved_before_there_are_bars(at_live: Kaboom, saved: str) -> None:
    done = at_live("screen", "close > 0", "--provider", "yahoo", "--save", saved)
    assert done.code == Exit.USAGE
    assert f"screen {saved} saved" in done.err
    assert "no daily bars of yahoo are held of any session" in done.err
    assert at_live("screens", "delete", saved).code == 0


def test_a_screen_is_listed_run_shown_and_deleted(at_live: Kaboom, saved: str) -> None:
    client = at_live("screens", "list", "--json")
    assert data(client)["items"] == []
    ingest = at_live(
        "ingest", "run-daily", "--interval", "1d=2", "--symbol", "7203", "--session", "2025-10-31", "--wait"
    )
    assert ingest.code == 0, ingest.err
    done = at_live("screen", "close > 0", "--session", "2025-10-31", "--save", saved)
    assert done.code == 0, done.err
    assert done.out.splitlines()[1].startswith("7203 ")
    assert "session 2025-10-31: 1 of 1 symbols pass, 0 have too short a history" in done.err
    newest = at_live("screen", "close > 0")
    assert "session 2025-10-31: 1 of 1 symbols pass" in newest.err
    assert "are held yet" in newest.err
    assert "generated, not market data" in done.err
    assert f"screen {saved} saved" in done.err
    assert "no results yet" in at_live("screens", "show", saved).err
    job = data(at_live("screens", "run", saved, "--session", "2025-10-31", "--json"))
    at_live("jobs", "watch", job["job_id"])
    assert at_live("screens", "show", saved).out.splitlines()[1].split() == ["2025-10-31", "1"]
    assert at_live("screens", "list").out.splitlines()[1].split()[0] == saved
    assert at_live("screens", "delete", saved).code == 0
    assert at_live("screens", "delete", saved).code == Exit.NOT_FOUND
