"""A bar store that is broken: the job, its failures and its log say why."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fixtures.jobs.apps import JOBS, RUN_DAILY, client_of, memory_settings, running
from tests.fixtures.jobs.job_steps import until

pytestmark = pytest.mark.anyio
BODY = {"intervals": {"1d": 3}, "symbols": ["7203", "6758"], "provider": "synthetic", "session": "2025-11-04"}


@pytest.fixture
async def broken(tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an API whose folder of bars is a file."""
    (tmp_path / "bars").write_text("no folder")
    async with running(memory_settings(tmp_path, bar_store="pages")) as app, client_of(app) as client:
        yield client


async def get(client: httpx2.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    answer = await client.get(path, params=params, headers={"Prefer": "wait=25"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_every_view_of_the_job_names_the_cause(broken: httpx2.AsyncClient) -> None:
    here = f"{JOBS}/{(await broken.post(RUN_DAILY, json=BODY)).json()['job_id']}"
    job = await until(lambda: get(broken, here), lambda job: job["completed_at"], within_s=60)
    failures = await get(broken, f"{here}/failures")
    cause = failures["items"][0]["message"]
    assert cause.startswith("given up after 1 attempt: StoreError: bar file ")
    assert [(item["item"], item["message"]) for item in failures["items"]] == [("7203", cause), ("6758", cause)]
    assert job["status"] == "failed"
    assert job["error"] == {"type": "items_failed", "message": f"2 of 2 items failed; first cause: {cause}"}
    assert (await get(broken, JOBS, q="attempt: StoreError:"))["items"][0]["job_id"] == job["job_id"]
    logs = await until(lambda: get(broken, f"{here}/logs", level="error"), lambda page: page["items"], within_s=30)
    (line,) = logs["items"]
    assert line["event"] == "job_finished"
    wanted = {"status": "failed", "total": 2, "done": 0, "failed": 2, "lost": 2, "outcomes": "write_failed 2"}
    assert wanted.items() <= line["fields"].items()
    assert line["fields"]["error"] == f"items_failed: {job['error']['message']}"
