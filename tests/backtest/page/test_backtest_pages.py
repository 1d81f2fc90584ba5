"""The pages of backtests: the list, the forms with faults at their fields, and the reports of a run and of a sweep."""

import re
from collections.abc import AsyncIterator
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.backtest.model import Fees, FillModel, Slippage
from kaboom.backtest.page.forms import read_values, run_body, sweep_body, values_of
from kaboom.backtest.report.candlesticks import draw_candlesticks
from kaboom.backtest.report.charts import Room, build_plot, build_times, spread
from kaboom.backtest.report.content import ReportCandlesticks, TradeLine
from kaboom.backtest.report.html import STYLE
from kaboom.backtest.report.text import Words, metric, month, signed_percent, tint
from kaboom.backtest.request import BacktestRequest, SweepRequest
from kaboom.bars.open import build_bar_store
from tests.backtest.test_runs import finish
from tests.fixtures.backtest.stored import SERIES, daily_bars
from tests.fixtures.jobs.apps import client_of, memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of, read_page, tags_of, text_of

pytestmark = pytest.mark.anyio
RUN = {
    "strategy": "sma_cross", "symbols": "7203", "p_fast": "5", "p_slow": "20", "last": "2025-11-05", "sessions": "300",
    "cash": "10000000", "fee": "0.05", "ticks": "1", "interval": "1d",
}  # fmt: skip
SWEEP = RUN | {"p_fast": "3:9:3", "p_slow": "10,20,30", "rank_by": "sharpe", "out_of_sample": "30"}


@pytest.fixture
async def app(tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API on a store with daily bars of three symbols."""
    settings = memory_settings(tmp_path, bar_store="pages")
    store = build_bar_store(settings)
    await store.write(SERIES, daily_bars())
    async with running(settings, authenticators=[VIEWERS]) as app:
        yield app
    await store.close()


async def submit(app: FastAPI, browser: httpx2.AsyncClient, path: str, fields: dict[str, str]) -> str:
    """Send a form, wait for its job, and return its page."""
    answer = await browser.post(path, data=fields)
    assert answer.status_code == 303, text_of(answer.text)[:600]
    page = str(answer.headers["location"])
    async with client_of(app) as client:
        done = await finish(client, f"/api/v1/backtest/jobs/{page.rpartition('/')[2]}")
    assert done["status"] == "completed", done["error"]
    return page


async def test_an_empty_list_says_how_to_run_one(browser: httpx2.AsyncClient) -> None:
    assert "No backtest has been run yet." in text_of(await read_page(browser, "/backtests"))


async def test_a_form_begins_with_the_costs_of_every_door(browser: httpx2.AsyncClient) -> None:
    usual = FillModel()
    assert (usual.fees, usual.slippage) == (Fees(rate=0.0005), Slippage(ticks=1))
    for path in ("/backtests/new", "/backtests/sweep"):
        values = {tag.get("name"): tag.get("value") for _, tag in tags_of(await read_page(browser, path))}
        assert (values["fee"], values["ticks"]) == ("0.05", "1")
    # Fields that were emptied are left to the default, and 0 is none.
    assert "model" not in run_body(RUN | {"fee": "", "ticks": ""})
    free = run_body(RUN | {"fee": "0", "ticks": "0"})["model"]
    assert (free["fees"]["rate"], free["slippage"]["ticks"]) == (0, 0)


async def test_tags_of_a_form_are_listed_and_taken_again(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    path = await submit(app, browser, "/backtests/new", RUN | {"tags": "october  desk"})
    assert "run · synthetic bars · #october · #desk" in text_of(await read_page(browser, "/backtests"))
    form = await read_page(browser, f"/backtests/new?from={path.rpartition('/')[2]}")
    assert [tag["value"] for _, tag in tags_of(form) if tag.get("name") == "tags"] == ["october desk"]


async def test_a_form_runs_a_backtest_and_its_page_has_the_report(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    path = await submit(app, browser, "/backtests/new", RUN)
    html = await read_page(browser, path)
    text = text_of(html)
    assert "SMA cross 5/20 on 7203 TOYOTA MOTOR CORPORATION" in text
    assert "Source: synthetic – generated, not market data" in text
    japanese = await browser.get(path, headers={"accept-language": "ja"})
    assert "7203 トヨタ自動車" in text_of(japanese.text)
    assert "daily bars, " in text
    assert "to 2025-11-05, 300 sessions, starting with 10,000,000 yen" in text
    for part in (
        "Equity and drawdown",
        "Monthly returns",
        "Trades on the candles",
        "Costs",
        "Exposure",
        "To repeat it",
    ):
        assert part in text
    assert "guarantees no future result" in text
    # In the head, and among the conventions of the report.
    assert text.count("A fill costs 0.050% of its value") == 2
    links = [tag.get("href", "") for name, tag in tags_of(html) if name == "a"]
    api = path.replace("/backtests/", "/api/v1/backtest/results/")
    assert {f"{api}/report.html?lang=en", f"{api}/report.json", f"{api}/trades.csv"} <= set(links)
    drawn = [tag["d"] for name, tag in tags_of(html) if name == "path" and tag.get("class", "").startswith("ln")]
    assert len(drawn) >= 4
    listed = text_of(await read_page(browser, "/backtests"))
    assert re.search(r"SMA cross 5/20 7203 · run · synthetic bars", listed)
    again = await read_page(browser, f"/backtests/new?from={path.rpartition('/')[2]}")
    given = {tag["name"]: tag.get("value") for name, tag in tags_of(again) if name == "input" and "name" in tag}
    wanted = {name: value for name, value in RUN.items() if name not in {"cash", "interval", "fee"}}
    assert wanted.items() <= given.items()


async def test_the_html_report_has_the_charts_of_the_page(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    path = await submit(app, browser, "/backtests/new", RUN)
    report = (await browser.get(path.replace("/backtests/", "/api/v1/backtest/results/") + "/report.html")).text
    page = await read_page(browser, path)
    drawn, kept = (re.findall(r'<figure class="chart.*?</figure>', html, re.DOTALL) for html in (page, report))
    paths = [[re.findall(r' d="([^"]*)"', each) for each in charts] for charts in (drawn, kept)]
    assert (len(paths[0]), paths[0]) == (5, paths[1])
    # The page and the file each have a style for what is drawn.
    page_style = "".join([(await browser.get(each)).text for each in re.findall(r'href="(/[^"]*\.css)"', page)])
    for name in {name for classes in re.findall(r'class="([^"]*)"', "".join(kept)) for name in classes.split()}:
        if name not in {"en", "ja"}:
            assert f".{name}" in page_style
        assert f".{name}" in STYLE
    assert 'class="en" lang="en">drawdown' in "".join(kept)


async def test_a_sweep_shows_its_trials_and_how_much_is_luck(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    path = await submit(app, browser, "/backtests/sweep", SWEEP)
    html = await read_page(browser, path)
    text = text_of(html)
    assert "Sweep of SMA cross on 7203" in text
    assert re.search(r"With 9 trials, the best one’s Sharpe ratio is more than luck with a probability of \d", text)
    assert "the rest was held back for the test" in text
    assert "Test: Sharpe" in text
    assert [tag["id"] for name, tag in tags_of(html) if name == "div" and "data-path" in tag] == ["surface"]
    rows = re.findall(r"<th scope=\"row\" class=\"wrap\">(fast=\d+ slow=\d+)</th>", html)
    assert len(rows) == 9
    run = await submit(app, browser, "/backtests/new", RUN)
    ids = "&".join(f"job={each.rpartition('/')[2]}" for each in (path, run))
    compared = text_of(await read_page(browser, f"/backtests/compare?{ids}"))
    assert "All runs saw the same bars" in compared
    assert "Fast average, bars" in compared
    # The step that ends a sweep is no trial.
    assert "sweep, 9 trials" in text_of(await read_page(browser, "/backtests"))
    assert "9 / 9" in text_of(await read_page(browser, "/jobs"))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"p_fast": "1"}, "Enter 2 or more."),
        ({"p_fast": "-5"}, "Enter 2 or more."),
        ({"p_fast": "NaN"}, "Enter a whole number."),
        ({"p_fast": "1" * 10_000}, "Enter a whole number."),
        ({"p_fast": "30"}, "expected less than slow"),
        ({"cash": "nan"}, "Enter a number."),
        ({"cash": "-1"}, "Enter more than 0."),
        ({"cash": "1e400"}, "Enter a number."),
        ({"fee": "101"}, "Enter less than 100%."),
        ({"fee": "one"}, "Enter a number."),
        ({"ticks": "1.5"}, "Enter a whole number."),
        ({"sessions": "999999"}, "Enter 5000 or less."),
        ({"symbols": ""}, "expected one of them"),
        ({"symbols": "<script>alert(1)</script>"}, "Enter at most 20 characters."),
        ({"symbols": "7203 " * 5000}, "at most"),
        ({"market": "TSE_PRIME"}, "expected one of them"),
        ({"interval": "7m"}, "7m"),
        ({"provider": "nobody"}, "nobody"),
        ({"first": "2025-13-99"}, "date"),
        ({"as_of": "yesterday"}, "isoformat"),
        ({"benchmark": "x" * 10_000}, "20"),
    ],
)
async def test_rejected_values_are_reported_at_their_field(
    browser: httpx2.AsyncClient, changed: dict[str, str], reason: str
) -> None:
    answer = await browser.post("/backtests/new", data=RUN | changed)
    assert answer.status_code == 422, text_of(answer.text)[:500]
    # One reason at the field, and none that only follows from it.
    (said,) = re.findall(r"-fault\">(.*?)</p>", answer.text, re.DOTALL)
    assert reason in unescape(said)
    # What was typed is still there, and is text.
    assert "<script>alert" not in answer.text
    assert f'value="{(RUN | changed)["cash"]}"' in answer.text


@pytest.mark.parametrize("strategy", ["nothing_like_it", "<b>", "x" * 10_000])
async def test_an_unknown_strategy_is_refused(browser: httpx2.AsyncClient, strategy: str) -> None:
    answer = await browser.post("/backtests/new", data=RUN | {"strategy": strategy})
    assert answer.status_code == 422
    assert "<b>" not in answer.text.partition("<main")[2].replace("<b>synthetic", "")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"p_fast": "0:9999999999:1"}, "more than 10000 values"),
        ({"p_fast": "5,many"}, "Enter a whole number."),
        ({"p_fast": ",".join(map(str, range(2, 400))), "p_slow": "2:499:1"}, "combinations"),
        ({"out_of_sample": "99"}, "Enter 90% or less."),
        ({"folds": "3"}, "expected one of them"),
        ({"keep": "0"}, "Enter 1 or more."),
        ({"rank_by": "luck"}, "sharpe"),
    ],
)
async def test_a_sweep_that_is_refused_says_why_at_its_field(
    browser: httpx2.AsyncClient, changed: dict[str, str], reason: str
) -> None:
    answer = await browser.post("/backtests/sweep", data=SWEEP | changed)
    assert (answer.status_code, reason in text_of(answer.text)) == (422, True), text_of(answer.text)[:800]


@pytest.mark.parametrize("again", ["0" * 32 + "/logs", "../../jobs", "x"])
async def test_what_is_no_id_leads_nowhere(browser: httpx2.AsyncClient, again: str) -> None:
    assert (await browser.get("/backtests/new", params={"from": again})).status_code == 422


async def test_another_owner_finds_nothing_and_a_viewer_runs_nothing(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    path = await submit(app, browser, "/backtests/new", RUN)
    job_id = path.rpartition("/")[2]
    async with browser_of(app, owner="other") as other:
        for each in (path, f"/backtests/new?from={job_id}", f"/backtests/compare?job={job_id}&job={'0' * 32}"):
            assert (await other.get(each)).status_code == 404
    async with browser_of(app, role="viewer") as viewer:
        html = await read_page(viewer, path)
        assert "Run again…" in text_of(html)
        assert f"?from={job_id}" not in html
        assert (await viewer.post("/backtests/new", data=RUN)).status_code == 403


async def test_a_run_again_has_the_whole_fill_model(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    model = {"lot": 1, "volume_cap": 0.02, "fees": {"rate": 0.001, "fixed": 55}, "slippage": {"impact": 0.1}}
    asked = {"strategy": "sma_cross", "symbols": ["7203"], "last": "2025-11-05", "sessions": 300, "model": model}
    async with client_of(app) as client:
        accepted = (await client.post("/api/v1/backtest/run", json=asked)).json()
        made = (await finish(client, f"/api/v1/backtest/jobs/{accepted['job_id']}"))["request"]
    form = await read_page(browser, f"/backtests/new?from={accepted['job_id']}")
    fields = {tag["name"]: tag.get("value") or "" for name, tag in tags_of(form) if name == "input" and "name" in tag}
    fields |= {"p_side": "long", "short": "", "tax": ""}
    assert "Also as in the run before:" in text_of(form)
    page = await submit(app, browser, "/backtests/new", fields)
    async with client_of(app) as client:
        again = (await finish(client, page.replace("/backtests/", "/api/v1/backtest/jobs/")))["request"]
    assert BacktestRequest.parse(again).model == BacktestRequest.parse(made).model


@pytest.mark.parametrize("model", ["[1]", "{", '{"fees": 3}', '{"fees": null}', "\x00", "1e999"])
def test_a_model_that_no_run_had_is_nothing(model: str) -> None:
    assert run_body({"model": model, "fee": "1", "ticks": "2"})["model"] == {
        "fees": {"rate": 0.01},
        "slippage": {"ticks": 2},
    }


def test_a_request_that_was_made_fills_the_form_that_makes_it_again() -> None:
    exact = RUN | {"cash": "12345678.9", "p_stop_loss": "0.123456789"}
    for form, to_body, kind in (
        (RUN, run_body, BacktestRequest),
        (RUN | {"fee_table": "matsui-box", "tax": "yes"}, run_body, BacktestRequest),
        (exact, run_body, BacktestRequest),
        (SWEEP, sweep_body, SweepRequest),
    ):
        body: dict[str, Any] = to_body(form)
        made = kind.parse(body).to_json()
        again = read_values({name: [text] for name, text in values_of(made).items()})
        assert kind.parse(to_body(again)).to_json() == made


def test_numbers_have_signs_and_tints() -> None:
    assert (metric("sharpe", -1.234), metric("cagr", None)) == ("\N{MINUS SIGN}1.23", "\N{EN DASH}")
    assert (signed_percent(0.05), signed_percent(-0.0512)) == ("+5.0%", "\N{MINUS SIGN}5.1%")
    assert [month(value) for value in (None, 0.0001, -0.0123)] == ["", "0.0", "\N{MINUS SIGN}1.2"]
    assert [tint(value) for value in (None, 0.0, 0.01, -0.02, 0.2)] == ["", "", "u1", "d2", "u3"]
    assert tint(0.09, is_year=True) == "u2"


def test_a_curve_keeps_its_extremes_and_its_gaps() -> None:
    values: list[float | None] = [0.0] * 5000
    values[1234], values[4000] = 9.0, None
    plot = build_plot([values], Room(10, 110))
    assert plot
    assert " 10L" in plot.curves[0].path
    assert plot.curves[0].path.count("M") == 2
    assert build_plot([[None, None]], Room(0, 10)) is None
    (one,) = build_plot([[5.0]], Room(0, 10)).curves  # type: ignore[union-attr]
    assert one.path.startswith("M0 ")
    assert spread([10.0, None, 12.0], 18) == [10.0, None, 28.0]
    assert [mark.label for mark in build_times([date(2025, 1, 6)])] == ["2025-01-06", "2025-01-06"]


def test_the_fill_of_a_curve_has_its_gaps_too() -> None:
    """A closed path across a gap would be a wedge over the whole plot."""
    plot = build_plot([[None, 1.0, -1.0, None, 1.0, 0.5]], Room(0, 100))
    assert plot
    assert plot.area == "M200 0L400 100L400 50L200 50ZM800 0L1000 25L1000 50L800 50Z"


def test_candles_without_a_whole_bar_are_not_drawn() -> None:
    at = "2025-11-04T00:00:00Z"
    traded = ReportCandlesticks(symbol="7203", times=[at], bars=[None], fills=[(0, 1)], trades=[])
    assert draw_candlesticks(traded, Words(("en",))) == ""
    one = traded.model_copy(update={"bars": [(2000.0, 2000.0, 2000.0, 2000.0)]})
    drawn = draw_candlesticks(one, Words(("en", "ja")))
    assert 'aria-label="Candles of 7203 with 1 purchases and sales / ' in drawn
    assert "nan" not in drawn


def test_candles_show_the_gain_of_each_trade_that_has_one() -> None:
    at, bar = "2025-11-04T00:00:00Z", (2000.0, 2010.0, 1990.0, 2000.0)
    trade = TradeLine(entry=0, entry_price=2000.0, exit=1, exit_price=2000.0, side=1, gain=0.05)
    trades = [trade, trade.model_copy(update={"exit": 2, "gain": None}), trade.model_copy(update={"exit": 3})]
    traded = ReportCandlesticks(symbol="7203", times=[at] * 4, bars=[bar, bar, bar, None], fills=[], trades=trades)
    assert re.findall(r"[+-][0-9.]+ ?%", draw_candlesticks(traded, Words(("en",)))) == ["+5.0%"]
