"""Analyses of a backtest and of what a portfolio holds: the caller's own, and nobody else's."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.web.auth.scopes import Scope
from tests.fixtures.accounts.callers import add_token
from tests.fixtures.jobs.analyses import ANALYSE, SESSION, end_of, ingest
from tests.fixtures.jobs.apps import OTHER_OWNER, OTHER_TOKEN, SCHEDULES, client_of, memory_settings, running
from tests.fixtures.portfolio.held import PORTFOLIOS, hold
from tests.fixtures.providers.fake_openrouter import KEY, FakeOpenRouter, fake_openrouter

pytestmark = pytest.mark.anyio
RUN = {"strategy": "buy_and_hold", "symbols": ["7203"], "last": SESSION}


@pytest.fixture
async def api(tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API with everything in memory."""
    async with running(memory_settings(tmp_path, bar_store="pages"), [OTHER_OWNER]) as app:
        yield app


@pytest.fixture
async def http(api: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of it; 7203 has bars."""
    async with client_of(api) as client:
        await ingest(client)
        yield client


async def test_a_backtest_is_summed_up_with_both_disclaimers(http: httpx2.AsyncClient) -> None:
    tested = await end_of(http, "/api/v1/backtest/run", RUN)
    assert tested["status"] == "completed", tested
    result = (await end_of(http, ANALYSE, {"kind": "backtest", "job_id": tested["job_id"]}))["result"]
    (one,) = result["analyses"]
    assert (one["subject"], one["analyst"]) == (tested["job_id"], "rules-1")
    # It has fewer than 30 closed trades.
    assert one["verdict"] == "unclear"
    (run,) = (row["values"] for row in one["sources"] if row["id"] == "backtest/run")
    assert run["total_return_pct"] == round(100 * tested["result"]["metrics"]["total_return"], 2)
    assert "投資助言を目的としません" in result["disclaimer"]
    assert "過去のデータによるシミュレーション" in result["disclaimer"]


async def refusal_of(http: httpx2.AsyncClient, kind: str, job_id: str) -> str:
    answer = await http.post(ANALYSE, json={"kind": kind, "job_id": job_id})
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "#/job_id"
    return str(error["detail"])


@pytest.mark.parametrize("kind", ["ingest", "backtest"])
async def test_a_job_that_does_not_exist_is_refused_at_once(http: httpx2.AsyncClient, kind: str) -> None:
    assert await refusal_of(http, kind, "0" * 32) == f"job {'0' * 32} does not exist in queue {kind}"


async def test_a_job_of_another_kind_is_refused_at_once(http: httpx2.AsyncClient) -> None:
    tested = await end_of(http, "/api/v1/backtest/run", RUN)
    assert (
        await refusal_of(http, "ingest", tested["job_id"]) == f"job {tested['job_id']} does not exist in queue ingest"
    )


async def test_a_backtest_of_another_owner_is_not_found(api: FastAPI, http: httpx2.AsyncClient) -> None:
    tested = await end_of(http, "/api/v1/backtest/run", RUN)
    async with client_of(api, **{"x-ingest-token": OTHER_TOKEN}) as other:
        refused = await refusal_of(other, "backtest", tested["job_id"])
    assert refused == f"job {tested['job_id']} does not exist in queue backtest"


async def test_a_backtest_that_failed_has_nothing_to_sum_up(http: httpx2.AsyncClient) -> None:
    tested = await end_of(http, "/api/v1/backtest/run", RUN | {"symbols": ["6503"]})
    assert tested["status"] == "failed"
    job = await end_of(http, ANALYSE, {"kind": "backtest", "job_id": tested["job_id"]})
    assert job["error"]["message"] == f"job {tested['job_id']} was failed, and has no result"


async def test_a_portfolio_adds_what_it_holds(http: httpx2.AsyncClient) -> None:
    portfolio_id = await hold(http)
    body = {"portfolio_id": portfolio_id, "session": SESSION, "sessions": 100, "language": "en"}
    job = await end_of(http, ANALYSE, body)
    assert job["status"] == "completed", job
    (one,) = job["result"]["analyses"]
    assert (one["subject"], job["result"]["provider"]) == ("7203", "synthetic")
    (held,) = (row["values"] for row in one["sources"] if row["id"] == "7203/position")
    assert (held["position_shares"], held["average_cost"], held["cost_share_pct"]) == (200, 1000.0, 100.0)
    assert "The position has 200 shares at an average cost of 1,000 yen." in [point["text"] for point in one["points"]]


async def test_a_portfolio_of_another_owner_is_not_found(api: FastAPI, http: httpx2.AsyncClient) -> None:
    portfolio_id = await hold(http)
    async with client_of(api, **{"x-ingest-token": OTHER_TOKEN}) as other:
        refused = await end_of(other, ANALYSE, {"portfolio_id": portfolio_id, "symbols": ["7203"]})
    assert (refused["status"], refused["result"]) == ("failed", None)
    assert refused["error"]["message"].startswith(f"portfolio '{portfolio_id}' does not exist")


async def test_a_caller_who_may_not_read_portfolios_may_not_analyse_one(api: FastAPI, http: httpx2.AsyncClient) -> None:
    portfolio_id = await hold(http)
    _, token = await add_token(api, Scope.JOBS_READ, Scope.JOBS_WRITE, Scope.SCHEDULES_WRITE)
    async with client_of(api, **{"x-ingest-token": token}) as narrow:
        body: dict[str, Any] = {"portfolio_id": portfolio_id}
        refused = await narrow.post(ANALYSE, json=body)
        planned = {"name": "peep", "cron": "0 18 * * *", "task": "ai_analysis.analyse", "request": body}
        scheduled = await narrow.post(SCHEDULES, json=planned)
    assert [answer.status_code for answer in (refused, scheduled)] == [403, 403]
    assert "portfolios:read" in refused.json()["detail"]


async def test_an_empty_portfolio_is_refused_with_its_reason(http: httpx2.AsyncClient) -> None:
    made = await http.post(PORTFOLIOS, json={"name": "empty"})
    job = await end_of(http, ANALYSE, {"portfolio_id": made.json()["id"]})
    assert job["error"]["message"] == "the portfolio holds nothing, and no symbols were given"


@pytest.fixture
def fake() -> Any:
    """A fake OpenRouter."""
    with fake_openrouter() as server:
        yield server


@pytest.mark.parametrize("sends", [False, True])
async def test_positions_are_sent_only_where_the_operator_allows_it(
    fake: FakeOpenRouter, tmp_path: Path, *, sends: bool
) -> None:
    own: dict[str, Any] = {"openrouter_key": KEY, "openrouter_url": fake.url, "ai_models": "good/a"}
    settings = memory_settings(tmp_path, bar_store="pages", ai_send_positions=sends, **own)
    async with running(settings) as app, client_of(app) as http:
        await ingest(http)
        body = {"portfolio_id": await hold(http), "session": SESSION}
        (one,) = (await end_of(http, ANALYSE, body))["result"]["analyses"]
        asked = await http.post(ANALYSE, json=body | {"analyst": "models"})
    sent = b"".join(request.body for request in fake.requests).decode()
    assert "secret holdings" not in sent
    if sends:
        assert (one["analyst"], asked.status_code) == ("models", 202)
        assert "average_cost" in sent
    else:
        assert (one["analyst"], sent) == ("rules-1", "")
        assert one["reason"].startswith("KABOOM_AI_SEND_POSITIONS is false")
        assert asked.status_code == 422
