"""Backtests over HTTP: runs and sweeps on stored bars, and what they leave."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest

from kaboom.bars.open import build_bar_store
from tests.fixtures.backtest.stored import SERIES, daily_bars
from tests.fixtures.jobs.apps import memory_settings

pytestmark = pytest.mark.anyio
RUN, SWEEP, RESULTS = "/api/v1/backtest/run", "/api/v1/backtest/sweep", "/api/v1/backtest/results"
ASKED: dict[str, Any] = {"strategy": "sma_cross", "symbols": ["7203"], "last": "2025-11-05", "sessions": 300}
GRID: dict[str, Any] = {"fast": [3, 5, 8], "slow": [8, 13, 21, 34]}
WEIGHTS = """
import numpy as np
from kaboom.backtest.strategies.settings import StrategySettings

class Strategy(StrategySettings):
    bars: int = 5

    def targets(self, panel):
        weights = np.full(panel.shape, np.nan)
        weights[:: self.bars] = 0.5
        return weights
"""
CHEAP = """
import numpy as np

class Strategy:
    statements = ("per",)

    def __init__(self, top, every):
        self.top, self.every = top, every

    def targets(self, panel):
        weights = np.full(panel.shape, np.nan)
        for bar in range(0, panel.shape[0], self.every):
            order = np.argsort(panel.statement("per")[bar])[: self.top]
            weights[bar] = 0.0
            weights[bar, order] = np.where(np.isnan(panel.statement("per")[bar, order]), 0.0, 1.0 / self.top)
        return weights
"""
SLOW = """
import time

class Strategy:
    def prepare(self, panel):
        pass

    def on_bar(self, context):
        time.sleep(0.1)
"""


async def run_job(client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    accepted = await client.post(path, json=body, params={"on_overlap": "new"})
    assert accepted.status_code == 202, accepted.text
    return await finish(client, accepted.headers["location"])


async def finish(client: httpx2.AsyncClient, location: str) -> dict[str, Any]:
    job: dict[str, Any] = {"status": "queued"}
    while job["status"] in {"queued", "running", "cancelling"}:
        job = (await client.get(location, headers={"Prefer": "wait=25"})).json()
    return job


async def found_by(client: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    done = await run_job(client, SWEEP, ASKED | body)
    assert done["status"] == "completed", done
    found: dict[str, Any] = (await client.get(f"{RESULTS}/{done['job_id']}")).json()
    return found


async def test_a_run_has_its_metrics_in_its_result(tested: httpx2.AsyncClient) -> None:
    done = await run_job(tested, RUN, ASKED | {"parameters": {"fast": 5, "slow": 20}})
    assert done["status"] == "completed", done["error"]
    result = done["result"]
    assert (result["strategy"], result["symbols"], result["session_count"]) == ("sma_cross", 1, 300)
    assert result["parameters"] == {"fast": 5, "slow": 20, "side": "long"}
    assert result["request"]["first"] <= result["first"] <= result["last"] == "2025-11-05"
    assert result["metrics"]["trades"] > 3
    assert (await tested.get(f"{RESULTS}/{done['job_id']}")).json() == result


async def test_the_files_of_a_run_are_those_that_its_result_names(tested: httpx2.AsyncClient) -> None:
    done = await run_job(tested, RUN, ASKED)
    for name, note in done["result"]["kept_files"].items():
        file = await tested.get(f"{RESULTS}/{done['job_id']}/{name}")
        assert (len(file.content), hashlib.sha256(file.content).hexdigest()) == (note["size"], note["sha256"])
    equity = (await tested.get(f"{RESULTS}/{done['job_id']}/equity.csv")).content
    assert pl.read_csv(equity)["equity"][-1] == done["result"]["metrics"]["final_equity"]
    report = await tested.get(f"{RESULTS}/{done['job_id']}/report.html")
    assert "sandbox" in report.headers["content-security-policy"]
    assert (await tested.get(f"{RESULTS}/{done['job_id']}/trials.csv")).status_code == 404


async def test_the_request_of_a_result_gives_the_same_bytes(tested: httpx2.AsyncClient) -> None:
    first = (await run_job(tested, RUN, ASKED))["result"]
    again = (await run_job(tested, RUN, first["request"]))["result"]
    assert again == first


async def test_corrected_bars_have_another_fingerprint(tested: httpx2.AsyncClient, tmp_path: Path) -> None:
    first = (await run_job(tested, RUN, ASKED))["result"]
    bars = daily_bars()
    one = bars.filter(pl.col("symbol") == "7203")[150:151].with_columns(close=pl.col("close") + 1)
    await build_bar_store(memory_settings(tmp_path, bar_store="pages")).write(SERIES, one)
    again = (await run_job(tested, RUN, ASKED))["result"]
    assert again["fingerprint"] != first["fingerprint"]
    other = (await run_job(tested, RUN, ASKED | {"symbols": ["9984"]}))["result"]
    assert other["fingerprint"] not in {again["fingerprint"], first["fingerprint"]}


async def test_the_best_of_a_sweep_does_not_depend_on_its_chunks(tested: httpx2.AsyncClient) -> None:
    one, two = [await found_by(tested, parameters=GRID, chunk_size=size) for size in (3, 100)]
    # (8, 8) does not go together.
    assert (one["trials"], one["left_out"], one["lost"]) == (11, 1, 0)
    assert one["best"] == two["best"]
    assert one["digest"] == two["digest"]
    ratios = [trial["sharpe"] for trial in one["best"]]
    assert ratios == sorted(ratios, reverse=True)
    single = (await run_job(tested, RUN, ASKED | {"parameters": one["best"][0]["parameters"]}))["result"]
    assert single["digest"] == one["run"]["digest"]
    assert 0 < one["deflated_sharpe"] < 1


async def test_a_choice_does_not_see_the_bars_of_its_test(tested: httpx2.AsyncClient, tmp_path: Path) -> None:
    before = await found_by(tested, parameters=GRID, out_of_sample=0.3)
    assert before["chosen_until"] < "2025-11-05"
    assert [trial["test"]["sessions"] for trial in before["best"]] == [90.0] * 11
    late = daily_bars().filter(pl.col("opened_at").dt.date() > pl.lit(before["chosen_until"]).str.to_date())
    moved = late.with_columns(*(pl.col(name) * 2 for name in ("open", "high", "low", "close")))
    await build_bar_store(memory_settings(tmp_path, bar_store="pages")).write(SERIES, moved)
    after = await found_by(tested, parameters=GRID, out_of_sample=0.3)
    without_test = [[{**trial, "test": None} for trial in found["best"]] for found in (before, after)]
    assert without_test[0] == without_test[1]
    assert [trial["test"] for trial in before["best"]] != [trial["test"] for trial in after["best"]]


async def test_walking_forward_tests_each_part_once(tested: httpx2.AsyncClient) -> None:
    found = await found_by(tested, parameters=GRID, folds=4)
    folds = found["walk_forward"]["folds"]
    assert [fold["chosen_until"] for fold in folds[1:]] == [fold["tested_until"] for fold in folds[:-1]]
    assert sum(fold["test"]["sessions"] for fold in folds) == found["walk_forward"]["whole"]["sessions"] == 240


async def test_drawn_trials_follow_from_the_seed(tested: httpx2.AsyncClient) -> None:
    drawn = [await found_by(tested, parameters=GRID, trials=5, seed=seed, keep=5) for seed in (1, 1, 2)]
    numbers = [sorted(trial["number"] for trial in found["best"]) for found in drawn]
    assert numbers[0] == numbers[1] != numbers[2]
    assert {len(each) for each in numbers} == {5}


async def test_a_strategy_of_its_own_is_a_file_of_the_worker(tested: httpx2.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "halves.py").write_text(WEIGHTS)
    done = await run_job(tested, RUN, ASKED | {"strategy": "halves", "parameters": {"bars": 7}})
    assert (done["status"], done["result"]["parameters"]["bars"]) == ("completed", 7)
    assert done["result"]["strategy_digest"] == hashlib.sha256(WEIGHTS.encode()).hexdigest()
    unknown = await run_job(tested, RUN, ASKED | {"strategy": "no_such"})
    assert (unknown["status"], unknown["error"]["type"]) == ("failed", "InvalidRequest")


async def test_a_cancelled_run_stops_in_the_middle(tested: httpx2.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "slow.py").write_text(SLOW)
    accepted = await tested.post(RUN, json=ASKED | {"strategy": "slow"})
    location = accepted.headers["location"]
    while (await tested.get(location)).json()["status"] != "running":  # noqa: ASYNC110  a job in another process
        await asyncio.sleep(0.01)
    assert (await tested.post(f"{location}/cancel")).status_code == 202
    # Uncancelled it takes thirty seconds.
    assert (await finish(tested, location))["status"] == "cancelled"
    assert (await tested.get(f"{RESULTS}/{accepted.json()['job_id']}")).status_code == 404
    lines: list[str] = []
    while "job_finished" not in lines:
        await asyncio.sleep(0.01)
        lines = [line["event"] for line in (await tested.get(f"{location}/logs")).json()["items"]]
    assert [line for line in lines if line.startswith("plan_")] == ["plan_started", "plan_cancelled"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"strategy": "sma_cross"}, ""),
        (ASKED | {"parameters": {"fast": 1}}, '"/parameters/fast: Input'),
        (ASKED | {"parameters": {"fast": 30, "slow": 20}}, "/parameters"),
        (ASKED | {"parameters": {"code": "import os"}}, "/parameters/code"),
        (ASKED | {"strategy": "../../etc/passwd"}, "/strategy"),
        (ASKED | {"symbols": ["72O3?"]}, "/symbols"),
        (ASKED | {"benchmark": "../7203"}, "symbol was '../7203'"),
        (ASKED | {"last": "2025-11-03"}, "/last"),
        (ASKED | {"cash": 0}, "/cash"),
    ],
)
async def test_invalid_runs_are_rejected(tested: httpx2.AsyncClient, body: dict[str, Any], pointer: str) -> None:
    answer = await tested.post(RUN, json=body)
    assert answer.status_code == 422, answer.text
    assert pointer in answer.text


async def test_bars_that_are_not_held_are_named(tested: httpx2.AsyncClient) -> None:
    done = await run_job(tested, RUN, ASKED | {"symbols": ["1301"]})
    assert done["status"] == "failed"
    assert "no synthetic 1d bars of 1301 from" in done["error"]["message"]
    # An ingest of it would be refused.
    unlisted = await run_job(tested, RUN, ASKED | {"symbols": ["9998"]})
    assert "and no symbol list has 9998; nearest to it: 999" in unlisted["error"]["message"]
    assert "kaboom ingest" not in unlisted["error"]["message"]
    assert "--symbol 1301`" in done["error"]["message"]


async def test_a_value_counts_as_one_trial_alone(tested: httpx2.AsyncClient) -> None:
    answer = await tested.post(SWEEP, json=ASKED | {"parameters": {"fast": [5, 10, 5.0], "slow": [20]}})
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == "#/parameters/fast"
    assert fault["detail"] == "fast had 5 more than once, expected each value once"


async def test_a_sweep_without_a_combination_says_why(tested: httpx2.AsyncClient) -> None:
    done = await run_job(tested, SWEEP, ASKED | {"parameters": {"fast": [50], "slow": [10]}})
    assert done["error"]["message"] == "fast was 50, expected less than slow, 10"


async def test_statements_are_read_by_runs_and_sweeps_of_kaboom_and_of_users(
    tested: httpx2.AsyncClient, tmp_path: Path
) -> None:
    of_market = {"symbols": ["6758", "7203", "9984"], "strategy": "value_rank"}
    nothing = await run_job(tested, RUN, ASKED | of_market)
    assert nothing["status"] == "failed"
    assert "no statements of synthetic are held" in nothing["error"]["message"]
    taken = await run_job(tested, "/api/v1/market-data/fundamentals", {"symbols": of_market["symbols"]})
    assert taken["status"] == "completed", taken
    body = ASKED | of_market | {"parameters": {"top": 1, "every": 20}}
    found = (await run_job(tested, RUN, body))["result"]
    assert found["statements"] == ["per", "forward_per", "pbr", "dividend_yield"]
    assert found["metrics"]["exposure"] > 0.5
    assert (await run_job(tested, RUN, found["request"]))["result"]["digest"] == found["digest"]
    plain = (await run_job(tested, RUN, ASKED | {"symbols": of_market["symbols"]}))["result"]
    assert (plain["statements"], plain["fingerprint"] != found["fingerprint"]) == ([], True)
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "cheap.py").write_text(CHEAP)
    for strategy in ("value_rank", "cheap"):
        swept = await run_job(tested, SWEEP, body | {"strategy": strategy, "parameters": {"top": [1, 2], "every": 20}})
        assert swept["status"] == "completed", swept
        best = (await tested.get(f"{RESULTS}/{swept['job_id']}")).json()
        trials = {trial["parameters"]["top"]: trial["final_equity"] for trial in best["best"]}
        assert trials[1] == pytest.approx(found["metrics"]["final_equity"]), strategy
    assert best["statements"] == ["per"]
