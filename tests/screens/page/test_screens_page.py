"""The pages of screens: a condition asked, with its fault beside the field, saved and run; what entered by session."""

import httpx2
import pytest

from tests.fixtures.jobs.browsers import read_page, text_of
from tests.screens.test_screen_routes import DAYS, SCREEN, SCREENS, ended, ingest

pytestmark = pytest.mark.anyio


async def test_an_empty_list_says_what_to_do(browser: httpx2.AsyncClient) -> None:
    assert "No screen yet." in text_of(await read_page(browser, "/screens"))


async def test_what_passes_is_shown_and_saved(browser: httpx2.AsyncClient) -> None:
    await ingest(browser)
    path = f"/screens?expression=close+%3E+0&session={DAYS[-1]}"
    html = await read_page(browser, path)
    assert 'href="/symbols/7203"' in html
    assert "4 of 4 symbols" in text_of(html)
    assert "7203 TOYOTA MOTOR CORPORATION" in text_of(html)
    assert "are held yet" not in text_of(html)
    newest = text_of(await read_page(browser, "/screens?expression=close+%3E+0"))
    assert "4 of 4 symbols" in newest
    assert "are held yet" in newest
    form = {"name": "any", "expression": "close > 0", "market": "", "session": ""}
    saved = await browser.post("/screens", data=form)
    assert (saved.status_code, saved.headers["location"]) == (303, "/screens/any")
    assert "It has not run yet." in text_of(await read_page(browser, "/screens/any"))


async def test_a_fault_is_said_beside_the_field(browser: httpx2.AsyncClient) -> None:
    answer = await browser.get("/screens?expression=rsi14+%3C+30")
    assert answer.status_code == 200
    assert "the nearest name is rsi_14" in text_of(answer.text)
    assert 'id="f-expression-fault"' in answer.text
    assert 'value="rsi14 &lt; 30"' in answer.text
    refused = await browser.post("/screens", data={"name": "A b", "expression": "close > 0", "market": ""})
    assert refused.status_code == 422
    assert 'id="f-name-fault"' in refused.text


async def test_a_screen_is_run_and_shows_what_entered(browser: httpx2.AsyncClient) -> None:
    await ingest(browser)
    assert (await browser.post(SCREENS, json=SCREEN)).status_code == 201
    for day in DAYS:
        answer = await browser.post("/screens/rising/run", data={"session": day.isoformat()})
        assert answer.status_code == 303, answer.text
        job_id = answer.headers["location"].rpartition("/")[2]
        await ended(browser, httpx2.Response(202, headers={"location": f"/api/v1/market-data/jobs/{job_id}"}))
    items = (await browser.get(f"{SCREENS}/rising/sessions")).json()["items"]
    text = text_of(await read_page(browser, "/screens/rising"))
    assert "By session" in text
    for symbol in items[0]["entered"] + items[0]["left"]:
        assert symbol in text
    gone = await browser.post("/screens/rising/delete", data={"next": "/"})
    assert (gone.status_code, gone.headers["location"]) == (303, "/screens?done=deleted")
    assert "The screen was deleted" in text_of(await read_page(browser, "/screens?done=deleted"))
