"""Pages about market INDEX count indices: nobody lists those, and they are no symbols of a section."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import date
from pathlib import Path

import pytest
from fastapi import FastAPI

from kaboom.drivers.clock import utc_now
from kaboom.market.calendar import last_sessions, latest_closed_session
from tests.fixtures.jobs.apps import RUN_DAILY, memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of, text_of

pytestmark = pytest.mark.anyio
EARLIER, NEWEST = last_sessions(2, latest_closed_session(utc_now()))
OVERVIEW, DATA = "/?market=INDEX&interval=1d", "/data?market=INDEX&interval=1d"
#: What pages say of issues.
_OF_ISSUES = re.compile(r"listed|\d symbols?\b|symbol sessions|上場|\d銘柄|延べ[\d,]*銘柄日")


@pytest.fixture
async def app(
    judge_in_the_evening: Callable[[date], None], tmp_path: Path, anyio_backend: str
) -> AsyncIterator[FastAPI]:
    """The API in the evening of the newest session, on a store of its own: other tests see no index."""
    judge_in_the_evening(NEWEST)
    async with running(memory_settings(tmp_path, bar_store="pages"), authenticators=[VIEWERS]) as app:
        yield app


async def ingest(app: FastAPI, session: date) -> str:
    """Take a session of the four indices that `synthetic` has; return the page of the job."""
    body = {"intervals": {"1d": 1}, "market": "INDEX", "session": session.isoformat()}
    async with browser_of(app, accept="*/*") as caller:
        accepted = await caller.post(RUN_DAILY, json=body)
        done = (await caller.get(accepted.headers["location"], headers={"prefer": "wait=30"})).json()
    assert (done["status"], done["progress"]["done"]) == ("completed", 4)
    return f"/jobs/ingest/{done['job_id']}"


async def read(app: FastAPI, path: str, language: str) -> str:
    async with browser_of(app, **{"accept-language": language}) as browser:
        answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize(
    ("session", "language", "said"),
    [
        (NEWEST, "en", ["all 4 indices have their bars.", "4 indices in all"]),
        (NEWEST, "ja", ["データはそろっています。4指数すべての足があります。", "全4指数"]),
        (EARLIER, "en", ["4 of 4 indices have no bars", "Fetch the 4 missing…"]),
        (EARLIER, "ja", ["4指数中4指数の足がありません", "欠損している4指数を取り込む…"]),
    ],
)
async def test_the_overview_counts_indices(app: FastAPI, session: date, language: str, said: list[str]) -> None:
    await ingest(app, session)
    answer = re.search(r'<section class="w8" aria-label=.*?</section>', await read(app, OVERVIEW, language), re.DOTALL)
    assert answer
    text = text_of(answer[0])
    assert [each for each in said if each not in text] == []
    assert not _OF_ISSUES.search(answer[0])


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["4 indices × 2 sessions", "index sessions", "Indices"]),
        ("ja", ["4指数×2立会日", "延べ指数日", "指数の数"]),
    ],
)
async def test_the_data_page_counts_indices(app: FastAPI, language: str, said: list[str]) -> None:
    await ingest(app, EARLIER)
    html = await read(app, DATA, language)
    text = text_of(html)
    assert [each for each in said if each not in text] == []
    assert not _OF_ISSUES.search(html.replace("上場していない", "").replace("Not listed", ""))


@pytest.mark.parametrize(("language", "said"), [("en", "4 of 4 indices"), ("ja", "4指数中4指数が正常終了、失敗0指数")])
async def test_the_page_of_a_job_counts_indices(app: FastAPI, language: str, said: str) -> None:
    assert said in text_of(await read(app, await ingest(app, NEWEST), language))


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["4 indices of one session", "Fetch 4 indices"]),
        ("ja", ["4指数の日足だけ", "4指数を取り込む"]),
    ],
)
async def test_missing_indices_are_fetched_as_indices(app: FastAPI, language: str, said: list[str]) -> None:
    await ingest(app, EARLIER)
    form = {"session": NEWEST.isoformat(), "market": "INDEX", "interval": "1d"}
    async with browser_of(app, **{"accept-language": language}) as browser:
        text = text_of((await browser.post("/fetch/preview", data=form)).text)
    assert [each for each in said if each not in text] == []
