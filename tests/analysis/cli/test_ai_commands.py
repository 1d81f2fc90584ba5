"""`kaboom ai` and `kaboom portfolio` on a real API: what an operator closes, and what a person must insist on."""

import httpx2

from kaboom.cli.exits import Exit
from tests.fixtures.cli import Kaboom
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.stacks import Api


def test_the_breaker_is_closed_and_the_audit_log_has_it(at_live: Kaboom, live: Api) -> None:
    done = at_live("ai", "close-breaker")
    assert (done.code, "models are asked again" in done.err) == (0, True)
    listed = httpx2.get(f"{live.url}/api/v1/audit", headers={"x-ingest-token": TOKEN}).json()["items"]
    assert "close_breaker" in [line["action"] for line in listed]


def test_a_symbol_without_bars_has_a_command_beside_one_that_was_judged(at_live: Kaboom) -> None:
    assert at_live("ingest", "run-daily", "--symbol", "6758", "--interval", "1d=100", "--wait").code == 0
    done = at_live("ai", "analyse", "6758", "6503")
    assert (done.code, "6503: no bars" in done.out) == (Exit.PARTIAL, True)
    assert "\nno synthetic 1d bars of 6503 are held; take some by `kaboom ingest run-daily --wait" in done.out


def test_a_portfolio_is_named(at_live: Kaboom) -> None:
    unknown = at_live("ai", "analyse", "--portfolio", "nothing")
    # Another file of this process may have made some.
    assert (unknown.code, "no portfolio" in unknown.err) == (Exit.NOT_FOUND, True)
    assert at_live("portfolio", "create", "nothing").code == 0
    empty = at_live("ai", "analyse", "--portfolio", "nothing")
    assert (empty.code, "the portfolio holds nothing, and no symbols were given" in empty.out) == (1, True)


def test_a_trade_on_a_sunday_is_booked_with_force(at_live: Kaboom) -> None:
    assert at_live("portfolio", "create", "sunday").code == 0
    assert at_live("portfolio", "cash", "sunday", "deposit", "1000000", "--day", "2025-10-31").code == 0
    trade = ("portfolio", "trade", "sunday", "buy", "7203", "100", "2800", "--day", "2025-11-02")
    refused = at_live(*trade)
    assert (refused.code, "not a trading day; the nearest are 2025-10-31 and 2025-11-04" in refused.err) == (2, True)
    assert at_live(*trade, "--force").code == 0
