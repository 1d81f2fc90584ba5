"""The page of a paper portfolio: how to begin, both curves, what waits, and each session with its drift."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.bars.open import build_bar_store
from tests.fixtures.backtest.stored import SERIES, daily_bars
from tests.fixtures.jobs.apps import client_of, memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of, read_page, text_of
from tests.fixtures.portfolio.client import Account
from tests.paper.test_paper_jobs import DAYS, follow

pytestmark = pytest.mark.anyio
HOLD = {"strategy": "buy_and_hold", "symbols": ["7203"], "warm_up": 20}


@pytest.fixture
async def app(tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API on a store with daily bars of three symbols."""
    settings = memory_settings(tmp_path, bar_store="pages")
    store = build_bar_store(settings)
    await store.write(SERIES, daily_bars())
    async with running(settings, authenticators=[VIEWERS]) as app:
        yield app
    await store.close()


@pytest.fixture
async def account(app: FastAPI) -> AsyncIterator[Account]:
    """A portfolio of ten million yen."""
    async with client_of(app) as http:
        account = await Account.create(http)
        await account.deposit("10000000", day=DAYS[0].isoformat())
        yield account


def path_of(account: Account) -> str:
    return f"/portfolios/{account.path.rpartition('/')[2]}/paper"


async def test_a_page_that_follows_nothing_says_how_to_begin(browser: httpx2.AsyncClient, account: Account) -> None:
    text = text_of(await read_page(browser, path_of(account)))
    assert "This portfolio follows no strategy." in text
    assert "kaboom paper run " in text


async def test_one_session_has_orders_and_no_chart_yet(browser: httpx2.AsyncClient, account: Account) -> None:
    await follow(account, DAYS[40], HOLD)
    html = await read_page(browser, path_of(account))
    text = text_of(html)
    assert "The chart begins with the second session." in text
    assert f"Orders for {DAYS[41]} by the close of {DAYS[40]}" in text
    assert "7203 TOYOTA MOTOR CORPORATION buy" in text


async def test_both_curves_and_each_session_are_shown(
    app: FastAPI, browser: httpx2.AsyncClient, account: Account
) -> None:
    for day in DAYS[40:44]:
        await follow(account, day, HOLD)
    await account.deposit("500000", day=DAYS[43].isoformat())
    await follow(account, DAYS[44], HOLD)
    html = await read_page(browser, path_of(account))
    text = text_of(html)
    assert html.count('<path class="ln') == 3
    assert "Portfolio and backtest 100 at the start" in text
    assert "No order waits." in text
    assert [day for day in map(str, DAYS) if f"{day} after the next open 10," in text] == [
        str(day) for day in DAYS[40:45]
    ]
    assert "+4.84%" in text.partition(f"{DAYS[44]} after the next open 10,")[2][:60]
    async with browser_of(app, **{"accept-language": "ja"}) as japanese:
        assert "ペーパートレード" in text_of(await read_page(japanese, path_of(account)))


async def test_the_job_of_a_session_leads_to_the_portfolio(browser: httpx2.AsyncClient, account: Account) -> None:
    job = await follow(account, DAYS[40], HOLD | {"tags": ["october"]})
    assert job["status"] == "completed"
    html = await read_page(browser, f"/jobs/backtest/{job['job_id']}")
    assert "Paper trading · Buy and hold · 7203 · #october" in text_of(html)
    assert f'<a class="btn" href="{path_of(account)}">Open the paper portfolio</a>' in html
    assert "session 2025" in text_of(html)
    answer = await browser.get(f"/backtests/{job['job_id']}")
    assert (answer.status_code, answer.headers["location"]) == (303, path_of(account))
    assert "No backtest has been run yet." in text_of(await read_page(browser, "/backtests"))


async def test_another_team_does_not_find_it(app: FastAPI, account: Account) -> None:
    async with browser_of(app, owner="other") as other:
        assert (await other.get(path_of(account))).status_code in {303, 404}
