"""The pages of analyses: the form, what would be sent before it is, the report with its sources, and refusals."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.analysis.spending import open_spending
from kaboom.dashboard.analyses import Report, dollars, read_reports, request_of
from kaboom.web.auth.scopes import Scope
from tests.fixtures.accounts.callers import add_token
from tests.fixtures.accounts.callers import browser_of as log_in
from tests.fixtures.jobs.analyses import SESSION, ingest
from tests.fixtures.jobs.apps import client_of, jobs_of, memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, read_page, tags_of, text_of
from tests.fixtures.providers.fake_openrouter import KEY, FakeOpenRouter, fake_openrouter

pytestmark = pytest.mark.anyio
FORM = {"kind": "technical", "symbols": "7203", "session": SESSION}


@pytest.fixture
def fake() -> Iterator[FakeOpenRouter]:
    """A fake OpenRouter."""
    with fake_openrouter() as server:
        yield server


@pytest.fixture
def values() -> dict[str, Any]:
    """Settings of the test."""
    return {"ai_models": "good/a last/b liar/c"}


@pytest.fixture
async def app(
    tmp_path: Path, fake: FakeOpenRouter, values: dict[str, Any], anyio_backend: str
) -> AsyncIterator[FastAPI]:
    """The API with models; 7203 has bars."""
    own = {"bar_store": "pages", "openrouter_key": KEY, "openrouter_url": fake.url}
    async with running(memory_settings(tmp_path, **(own | values)), authenticators=[VIEWERS]) as app:
        async with client_of(app) as http:
            await ingest(http)
        yield app


async def submit(app: FastAPI, browser: httpx2.AsyncClient, **form: str) -> str:
    """Send the form, wait for the end of its job, and return its page."""
    sent = await browser.post("/analyses/new", data=FORM | form)
    assert sent.status_code == 303, sent.text
    path: str = sent.headers["location"]
    async with client_of(app) as http:
        job = f"/api/v1/ai-analysis/jobs/{path.rpartition('/')[2]}"
        await http.get(job, headers={"Prefer": "wait=20"})
    return path


async def test_an_empty_list_says_what_to_do(browser: httpx2.AsyncClient) -> None:
    text = text_of(await read_page(browser, "/analyses"))
    assert "There is no analysis yet." in text
    assert "kaboom ai analyse 7203" in text


async def test_what_would_be_sent_is_shown_before_it_is(
    app: FastAPI, browser: httpx2.AsyncClient, fake: FakeOpenRouter
) -> None:
    path = await submit(app, browser, analyst="preview")
    html = await read_page(browser, path)
    text = text_of(html)
    assert fake.requests == []
    assert f"the texts below go to {fake.url}" in text
    assert "Send it, and ask 3 models" in text
    assert "7203/bar/2025-11-04" in text
    sent = await submit(app, browser, analyst="auto")
    assert len(fake.requests) == 3
    assert fake.bodies[0]["messages"][0]["content"].splitlines()[0] in text
    assert "preview" in text_of(await read_page(browser, "/analyses"))
    assert sent != path


async def test_a_report_shows_agreement_refusal_cost_and_sources(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    html = await read_page(browser, await submit(app, browser, analyst="auto"))
    text = text_of(html)
    assert "No agreement 1 of 3 models agree." in text
    assert "c refused" in text
    japanese = await browser.get("/analyses", headers={"accept-language": "ja"})
    assert "分析方法" in japanese.text
    assert '<td class="lo">モデル</td>' in japanese.text
    assert "number at /points/0/text" in text
    assert "$0.001263" in text
    assert "investment advice" in text
    html = await read_page(browser, await submit(app, browser, analyst="rules"))
    assert 'href="#r1-1"' in html
    assert 'id="r1-1"' in html
    assert "7203/bar/2025-11-04" in text_of(html)


@pytest.mark.parametrize("values", [{"ai_models": "good/a", "ai_send": False}])
async def test_an_operators_refusal_is_shown(app: FastAPI, browser: httpx2.AsyncClient, fake: FakeOpenRouter) -> None:
    text = text_of(await read_page(browser, "/analyses/new"))
    assert "KABOOM_AI_SEND is false: nothing is sent to models" in text
    preview = text_of(await read_page(browser, await submit(app, browser, analyst="preview")))
    assert "Nothing can be sent from here" in preview
    assert "Send it" not in preview
    assert fake.requests == []


async def test_an_open_breaker_is_shown(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    await (
        jobs_of(app)
        .parts.database.open(open_spending)
        .open_breaker("the server answered 402: Insufficient credits", for_s=60)
    )
    text = text_of(await read_page(browser, "/analyses"))
    assert "Models are not asked for now the server answered 402: Insufficient credits; until" in text


async def test_an_open_breaker_is_closed_by_an_admin(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    spending = jobs_of(app).parts.database.open(open_spending)
    await spending.open_breaker("the server answered 402", for_s=60)
    assert "Ask models again" in text_of(await read_page(browser, "/analyses"))
    done = await browser.post("/analyses/close-breaker", data={})
    assert (done.status_code, done.headers["location"]) == (303, "/analyses")
    assert await spending.breaker_state() is None
    assert "Ask models again" not in text_of(await read_page(browser, "/analyses"))


async def test_a_refused_form_is_shown_again_with_its_reason(browser: httpx2.AsyncClient) -> None:
    refused = await browser.post("/analyses/new", data=FORM | {"symbols": "../x <b>", "analyst": "rules"})
    assert refused.status_code == 422
    assert "../x &lt;b&gt;" in refused.text
    missing = await browser.post("/analyses/new", data={"kind": "backtest", "analyst": "rules"})
    assert "(32 hex digits) : was not set, expected it of kind backtest" in text_of(missing.text)


async def test_a_refused_form_keeps_the_portfolio_that_was_chosen(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    async with client_of(app) as http:
        ids = [(await http.post("/api/v1/portfolios", json={"name": name})).json()["id"] for name in ("one", "two")]
    refused = await browser.post(
        "/analyses/new", data=FORM | {"session": "2025-13-01", "portfolio_id": ids[1], "analyst": "rules"}
    )
    options = [tag for name, tag in tags_of(refused.text) if name == "option" and "selected" in tag]
    assert (refused.status_code, [tag["value"] for tag in options]) == (422, ["technical", ids[1]])


async def test_a_failed_analysis_says_why(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    path = await submit(app, browser, symbols="9984", analyst="rules")
    text = text_of(await read_page(browser, path))
    assert "bars of 9984 are held; take some by" in text
    assert "Technical view of 9984" in text


def test_the_numbers_of_a_report_count_each_source_once() -> None:
    claim = {"source": "7203/bar/1", "field": "close", "value": 2.0}
    points = [{"text": "a", "claims": [claim]}, {"text": "b", "claims": [claim, claim | {"field": "open"}]}]
    sources = [{"id": "7203/bar/1", "values": {"close": 2.0, "open": 1.0}, "notes": {}}]
    report = Report({"points": points, "sources": sources, "models": []})
    assert list(report.points) == [("a", [1]), ("b", [1, 2])]
    assert list(report.cited) == [(1, "7203/bar/1", "close", 2.0), (2, "7203/bar/1", "open", 1.0)]


@pytest.mark.parametrize(("amount", "shown"), [(0, "$0.0000"), (421, "$0.000421"), (18_400, "$0.0184")])
def test_an_amount_is_shown_in_dollars(amount: int, shown: str) -> None:
    assert dollars(amount) == shown


@pytest.mark.parametrize(
    ("values", "before", "after"),
    [
        ({"ai_models": "good/a"}, "This picture is not sent.", ""),
        (
            {"ai_models": "good/a", "ai_images": True, "ai_job_budget": 10**7},
            "This picture would be sent, too.",
            "The models got this picture, too.",
        ),
    ],
)
async def test_the_candles_are_shown_with_what_becomes_of_them(
    app: FastAPI, browser: httpx2.AsyncClient, before: str, after: str
) -> None:
    for analyst, said in (("preview", before), ("auto", after)):
        path = await submit(app, browser, analyst=analyst)
        html = await read_page(browser, path)
        source = f"/api/v1/ai-analysis/results/{path.rpartition('/')[2]}/7203.png?lang=en"
        assert "Candles of 7203 from " in html
        assert '<path class="up-s" d="M' in html
        assert "SMA 25" in text_of(html)
        assert f'href="{source}"' in html
        assert (await browser.get(source)).headers["content-type"] == "image/png"
        assert said in text_of(html)
    assert ("as a picture" in text_of(await read_page(browser, "/analyses/new"))) == bool(after)


@pytest.mark.parametrize("is_allowed", [True, False])
async def test_a_picture_of_bars_is_shown_to_who_may_read_bars(
    app: FastAPI, browser: httpx2.AsyncClient, *, is_allowed: bool
) -> None:
    path = await submit(app, browser, analyst="preview")
    scopes = [Scope.JOBS_READ, *([Scope.BARS_READ] if is_allowed else [])]
    _, token = await add_token(app, *scopes)
    html = await read_page(await log_in(app, token=token), path)
    assert "7203/bar/2025-11-04" in text_of(html)
    assert ("7203.png" in html) == is_allowed
    assert ("up-s" in html) == is_allowed


async def test_several_symbols_have_a_table_of_verdicts_and_a_title_that_counts(
    app: FastAPI, browser: httpx2.AsyncClient
) -> None:
    path = await submit(app, browser, symbols="7203 9984", analyst="rules")
    html = await read_page(browser, path)
    (title,) = re.findall(r"<h1>(.*?)</h1>", html)
    assert re.fullmatch(r"Technical view: 1 of 2 (bullish|neutral|bearish)", title), title
    table = text_of(html.partition('id="verdicts"')[2].partition("</table>")[0])
    assert re.search(r"7203 TOYOTA MOTOR CORPORATION (bullish|neutral|bearish) 0\.\d\d [0-9,.]+ 2025-11-04 The ", table)
    assert re.search(r"9984 SoftBank Group Corp. No bars – – no synthetic 1d bars of 9984 are held", table)
    listed = text_of(await read_page(browser, "/analyses"))
    assert f"1 of 2 {title.rpartition(' ')[2]}" in listed


async def test_sentences_of_the_rules_are_in_the_language_of_the_reader(
    app: FastAPI, browser: httpx2.AsyncClient
) -> None:
    path = await submit(app, browser, analyst="rules")
    english, japanese = [(await browser.get(path, headers={"accept-language": each})).text for each in ("en", "ja")]
    sentences = [
        re.sub("<sup.*?</sup>", "", html.partition('<div class="prose"')[2].partition("</div>")[0])
        for html in (english, japanese)
    ]
    assert "25-session average" in sentences[0]
    assert "25日移動平均" in sentences[1]
    assert "トヨタ自動車" in japanese


def test_sentences_of_other_rules_stay_as_they_were_kept() -> None:
    row = {"id": "job/progress", "values": {"total": 3, "done": 3, "failed": 0}, "session": None, "notes": {}}
    claims = [
        {"source": "job/progress", "field": name, "value": 3.0 if name == "total" else 0.0}
        for name in ("total", "failed")
    ]
    kept = {
        "subject": "a", "analyst": "rules-1", "models": [], "sources": [row],
        "points": [{"text": "All 3 items ended, 0 of them failed.", "claims": claims}],
    }  # fmt: skip

    def read(**changed: Any) -> str:
        (report,) = read_reports({"kind": "ingest", "analyses": [kept | changed]}, "ja")
        return report.first_sentence

    assert read() == "対象3件がすべて終わり、失敗は0件です。"
    old = "All 3 items ended, 0 of them failed."
    assert read(analyst="rules-0") == old
    assert read(points=[{"text": old, "claims": claims[:1]}]) == old


def test_symbols_of_the_form_are_parted_by_commas_of_both_languages() -> None:
    form = FORM | {"analyst": "rules", "portfolio_id": "", "job_id": ""}
    assert request_of(form | {"symbols": "7203,6758、9984  8306"}, "ja")["symbols"] == ["7203", "6758", "9984", "8306"]
    assert "symbols" not in request_of(form | {"symbols": " 、"}, "ja")
