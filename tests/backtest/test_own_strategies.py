"""Strategies of users over HTTP: who may have them run, and what becomes of those that fail."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.bars.open import build_bar_store
from kaboom.web.auth.scopes import Scope
from tests.backtest.test_runs import ASKED, RUN, SWEEP, WEIGHTS, finish, run_job
from tests.fixtures.accounts.callers import add_token
from tests.fixtures.backtest.own import weights_of
from tests.fixtures.backtest.stored import SERIES, daily_bars
from tests.fixtures.jobs.apps import SCHEDULES, client_of, memory_settings, running

pytestmark = pytest.mark.anyio
OWN = ASKED | {"strategy": "mine"}
SWEPT = OWN | {"parameters": {"bars": [3, 5, 7]}}
STRATEGIES = "/api/v1/backtest/strategies"
_OPERATOR = (Scope.JOBS_READ, Scope.JOBS_WRITE, Scope.SCHEDULES_WRITE)


@pytest.fixture
async def api(tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """An API whose store holds daily bars, with a strategy `mine`."""
    folder = tmp_path / "strategies"
    folder.mkdir()
    (folder / "mine.py").write_text(WEIGHTS)
    settings = memory_settings(tmp_path, bar_store="pages", strategies_dir=folder, strategy_timeout_s=30)
    store = build_bar_store(settings)
    await store.write(SERIES, daily_bars())
    async with running(settings) as app:
        yield app
    await store.close()


@pytest.fixture
async def admin(api: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the ingest token, which has all scopes."""
    async with client_of(api) as client:
        yield client


@pytest.fixture
async def operator(api: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that may submit jobs and schedules, and not run strategies of users."""
    _, token = await add_token(api, *_OPERATOR)
    async with client_of(api, **{"x-ingest-token": token}) as client:
        yield client


async def test_names_of_files_are_listed_for_those_who_may_run_them(
    tmp_path: Path, admin: httpx2.AsyncClient, operator: httpx2.AsyncClient
) -> None:
    folder = tmp_path / "strategies"
    for name in ("sma_cross.py", "Upper.py", "notes.txt", "_hidden.py", "line\n.py"):
        (folder / name).write_text("raise SystemExit  # nothing reads it")
    (folder / "folder.py").mkdir()
    assert (await admin.get(STRATEGIES)).json()["own"] == ["mine"]
    assert (await operator.get(STRATEGIES)).json()["own"] == []


def plan(request: dict[str, Any]) -> dict[str, Any]:
    return {"name": "nightly", "cron": "0 18 * * *", "task": "backtest.run", "request": request}


async def test_only_the_scope_lets_a_caller_run_one(
    api: FastAPI, admin: httpx2.AsyncClient, operator: httpx2.AsyncClient
) -> None:
    done = await run_job(admin, RUN, OWN)
    assert done["status"] == "completed", done
    made = await admin.post(SCHEDULES, json=plan(OWN))
    assert made.status_code == 201, made.text
    builtin = await operator.post(SCHEDULES, json=plan(ASKED) | {"name": "builtin"})
    refused = [
        await operator.post(RUN, json=OWN),
        await operator.post(SWEEP, json=SWEPT),
        await operator.post(f"/api/v1/backtest/jobs/{done['job_id']}/retry", json={"only": "all"}),
        await operator.post(SCHEDULES, json=plan(OWN) | {"name": "mine"}),
        await operator.post(f"{made.headers['location']}/run"),
        await operator.patch(builtin.headers["location"], json={"request": OWN}),
    ]
    assert [answer.status_code for answer in refused] == [403] * 6
    assert {answer.json()["detail"].split(",")[0] for answer in refused} == {"this needs the scope strategies:run"}
    _, token = await add_token(api, *_OPERATOR, Scope.STRATEGIES_RUN)
    async with client_of(api, **{"x-ingest-token": token}) as allowed:
        assert (await run_job(allowed, RUN, OWN))["status"] == "completed"
        again = await allowed.post(f"/api/v1/backtest/jobs/{done['job_id']}/retry", json={"only": "all"})
        assert (await finish(allowed, again.headers["location"]))["status"] == "completed"
        assert (await allowed.post(f"{made.headers['location']}/run")).status_code == 202


async def test_reading_one_and_running_those_of_kaboom_needs_no_further_scope(
    admin: httpx2.AsyncClient, operator: httpx2.AsyncClient
) -> None:
    done = await run_job(admin, RUN, OWN)
    assert (await operator.get(f"/api/v1/backtest/results/{done['job_id']}")).status_code == 200
    builtin = await run_job(operator, RUN, ASKED)
    assert builtin["status"] == "completed"
    again = await operator.post(f"/api/v1/backtest/jobs/{builtin['job_id']}/retry", json={"only": "all"})
    assert again.status_code == 202
    scheduled = await operator.post(SCHEDULES, json=plan(ASKED))
    assert (await operator.post(f"{scheduled.headers['location']}/run")).status_code == 202


async def test_a_sweep_of_one_ends_with_its_trials(admin: httpx2.AsyncClient) -> None:
    one, two = [await run_job(admin, SWEEP, SWEPT | {"chunk_size": size}) for size in (1, 100)]
    assert (one["status"], two["status"]) == ("completed", "completed"), (one, two)
    found = [(await admin.get(f"/api/v1/backtest/results/{job['job_id']}")).json() for job in (one, two)]
    assert found[0]["digest"] == found[1]["digest"]
    assert found[0]["trials"] == 3


async def test_its_error_is_the_cause_of_the_job(admin: httpx2.AsyncClient, tmp_path: Path) -> None:
    source = weights_of("names = list(__import__('os').environ)", "raise ValueError(' '.join(names))")
    (tmp_path / "strategies" / "mine.py").write_text(source)
    done = await run_job(admin, RUN, OWN)
    assert (done["status"], done["error"]["type"]) == ("failed", "StrategyFailed")
    assert "ValueError: " in done["error"]["message"]
    assert "(mine.py:7 in targets: raise ValueError(" in done["error"]["message"]
    assert "TOKEN" not in done["error"]["message"]


async def test_a_trial_that_fails_is_named_with_its_cause(admin: httpx2.AsyncClient, tmp_path: Path) -> None:
    source = WEIGHTS.replace("weights = np", "1 / (self.bars - 5)\n        weights = np")
    (tmp_path / "strategies" / "mine.py").write_text(source)
    done = await run_job(admin, SWEEP, SWEPT | {"chunk_size": 1})
    assert done["status"] == "partial", done
    failures = (await admin.get(f"/api/v1/backtest/jobs/{done['job_id']}/failures")).json()["items"]
    assert [each["item"] for each in failures] == ["bars=5"]
    chunks = (await admin.get(f"/api/v1/backtest/jobs/{done['job_id']}/chunks")).json()["items"]
    assert any("ZeroDivisionError: division by zero" in str(chunk) for chunk in chunks)


async def test_a_name_that_is_shipped_and_a_file_is_refused(admin: httpx2.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "strategies/breakout.py").write_text(WEIGHTS)
    refused = await admin.post(RUN, json=ASKED | {"strategy": "breakout", "parameters": {}})
    assert refused.status_code == 422
    assert "rename the file" in refused.json()["detail"]
