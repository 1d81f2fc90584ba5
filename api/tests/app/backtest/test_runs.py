"""Backtests over HTTP: runs and sweeps on stored bars, and what they leave."""

from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio
RUN, SWEEP = "/api/v1/backtest/run", "/api/v1/backtest/sweep"
ASKED: dict[str, Any] = {"strategy": "sma_cross", "symbols": ["7203"], "last": "2025-11-05", "sessions": 300}
GRID: dict[str, Any] = {"fast": [3, 5, 8], "slow": [8, 13, 21, 34]}


async def run_job(client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    accepted = await client.post(path, json=body)
    assert accepted.status_code == 202, accepted.text
    job: dict[str, Any] = {"status": "queued"}
    while job["status"] in {"queued", "running"}:
        job = (await client.get(accepted.headers["location"], headers={"Prefer": "wait=25"})).json()
    return job


async def test_a_run_has_its_metrics_in_its_result(tested: httpx2.AsyncClient) -> None:
    done = await run_job(tested, RUN, ASKED | {"parameters": {"fast": 5, "slow": 20}})
    assert done["status"] == "completed", done["error"]
    result = done["result"]
    assert (result["strategy"], result["symbols"], result["session_count"]) == ("sma_cross", 1, 300)
    assert result["parameters"] == {"fast": 5, "slow": 20, "side": "long"}
    assert result["request"]["first"] <= result["first"] <= result["last"] == "2025-11-05"
    assert result["metrics"]["trades"] > 3


async def test_a_sweep_keeps_its_best(tested: httpx2.AsyncClient) -> None:
    done = await run_job(tested, SWEEP, ASKED | {"parameters": GRID, "chunk_size": 4, "keep": 3})
    assert done["status"] == "completed", done
    # (8, 8) does not go together.
    assert (done["result"]["trials"], done["result"]["combinations"]) == (11, 12)
    assert done["progress"]["done"] == 12
