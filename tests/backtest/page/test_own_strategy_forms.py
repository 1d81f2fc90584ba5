"""The forms of backtests with strategies of users: who may choose one, its parameters as lines, and faults at them."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.bars.open import build_bar_store
from tests.backtest.page.test_backtest_pages import RUN, SWEEP, submit
from tests.backtest.test_runs import WEIGHTS
from tests.fixtures.backtest.stored import SERIES, daily_bars
from tests.fixtures.jobs.apps import client_of, memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of, read_page, tags_of, text_of

pytestmark = pytest.mark.anyio
OWN = {name: value for name, value in RUN.items() if not name.startswith("p_")} | {"strategy": "mine"}
SWEPT = {name: value for name, value in SWEEP.items() if not name.startswith("p_")} | {"strategy": "mine"}
FORMS = ("/backtests/new", "/backtests/sweep")


@pytest.fixture
async def app(tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API on a store with daily bars of three symbols, and a strategy `mine`."""
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "mine.py").write_text(WEIGHTS)
    settings = memory_settings(tmp_path, bar_store="pages", strategies_dir=tmp_path / "strategies")
    store = build_bar_store(settings)
    await store.write(SERIES, daily_bars())
    async with running(settings, authenticators=[VIEWERS]) as app:
        yield app
    await store.close()


def links_of(html: str) -> list[str]:
    """Return the addresses of the links of a page."""
    return [tag.get("href", "") for name, tag in tags_of(html) if name == "a"]


async def test_a_form_runs_a_file_with_its_parameters(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    assert "/backtests/new?strategy=mine" in links_of(await read_page(browser, "/backtests/new"))
    form = text_of(await read_page(browser, "/backtests/new?strategy=mine"))
    assert "Parameters, one on each line" in form
    page = await submit(app, browser, "/backtests/new", OWN | {"own": " bars ＝ 7 \r\n\r\n"})
    async with client_of(app) as client:
        job = (await client.get(page.replace("/backtests/", "/api/v1/backtest/jobs/"))).json()
    assert (job["request"]["strategy"], job["result"]["parameters"]["bars"]) == ("mine", 7)
    again = await read_page(browser, f"/backtests/new?from={page.rpartition('/')[2]}")
    assert ">bars = 7</textarea>" in again


async def test_a_sweep_tries_the_lists_of_a_file(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    page = await submit(app, browser, "/backtests/sweep", SWEPT | {"own": "bars = 3,5,7\nstop_loss = 0.1"})
    assert "bars=3" in text_of(await read_page(browser, page))
    again = await read_page(browser, f"/backtests/sweep?from={page.rpartition('/')[2]}")
    assert ">bars = 3,5,7\nstop_loss = 0.1</textarea>" in again


@pytest.mark.parametrize(
    ("own", "english", "japanese"),
    [
        ("bars", "expected name = value once", "「名前 = 値」"),
        ("bars =", "expected name = value once", "「名前 = 値」"),
        ("bars = 3\nbars = 4", "expected name = value once", "「名前 = 値」"),
        ("\n".join(f"p{n} = 1" for n in range(21)), "at most 20", "20"),
    ],
)
async def test_a_line_that_cannot_be_read_is_refused_beside_it(
    app: FastAPI, browser: httpx2.AsyncClient, own: str, english: str, japanese: str
) -> None:
    async with browser_of(app, **{"accept-language": "ja"}) as reader:
        for each, reason in ((browser, english), (reader, japanese)):
            answer = await each.post("/backtests/new", data=OWN | {"own": own})
            assert answer.status_code == 422
            field = answer.text.partition('name="own"')[2].partition("</div>")[0]
            assert reason in field.partition('id="f-parameters-fault">')[2]
            assert f">{own}</textarea>" in answer.text


async def test_a_sweep_of_a_file_needs_a_parameter(browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/backtests/sweep", data=SWEPT)
    assert answer.status_code == 422
    assert 'id="f-parameters-fault">' in answer.text.partition('name="own"')[2].partition("</div>")[0]


@pytest.mark.parametrize("path", FORMS)
async def test_without_the_scope_no_file_is_offered_and_the_page_says_why(app: FastAPI, path: str) -> None:
    async with browser_of(app, role="operator") as operator:
        html = await read_page(operator, path)
        assert not [link for link in links_of(html) if "mine" in link]
        assert "need the scope strategies:run" in text_of(html)
        named = await read_page(operator, f"{path}?strategy=mine")
        [button] = [tag for name, tag in tags_of(named) if name == "button" and "btn-main" in tag.get("class", "")]
        assert "disabled" in button
        assert (await operator.post(path, data=OWN | {"own": "bars = 7"})).status_code == 403


async def test_without_a_folder_the_form_says_how_to_set_one(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path / "other"), authenticators=[VIEWERS]) as app, browser_of(app) as admin:
        assert "KABOOM_STRATEGIES_DIR" in text_of(await read_page(admin, "/backtests/new"))
        async with browser_of(app, role="operator") as operator:
            assert "KABOOM_STRATEGIES_DIR" not in text_of(await read_page(operator, "/backtests/new"))
