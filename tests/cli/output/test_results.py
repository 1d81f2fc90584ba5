"""Every kind of job at the command line: its result is printed by its model, whatever its keys are called."""

from typing import Any

import orjson
import pytest

from kaboom.catalog import CATALOG
from kaboom.jobs.job_type import JobType
from tests.fixtures.cli import Kaboom, Scripted
from tests.fixtures.jobs.example_results import RESULTS
from tests.fixtures.workers.answers import TRAP, Trap

_PROGRESS = {"done": 1, "failed": 1, "total": 2, "cancelled": 0, "rows": 240, "rate": None, "eta_s": None}
_NONE = {"items": [], "total": 0, "next_cursor": None}
#: Of each kind something that only its own result says, in both languages.
SHOWN = {
    "ingest.run_daily": "write_failed",
    "ingest.backfill": "2025-11-04",
    "market_data.refresh_quotes": "write_failed",
    "market_data.roll_up": "write_failed",
    "market_data.mirror": "mirror/file/1m: 2025-11",
    "market_data.compact": "2025-08-01",
    "market_data.indicators": "out/*.parquet",
    "market_data.refresh_symbols": "listed 1",
    "market_data.take_back": 'reasons: {"off_grid":3}',
    "backtest.run": "sma_cross",
    "backtest.sweep": "synthetic",
    "backtest.paper": "sma_cross",
    "ai_analysis.analyse": "It closed at 2,504.",
    "notifications.deliver": "delivered: 2",
    "market_data.start_pipeline": "session: 2025-11-04",
    "market_data.screen": "passed: 12",
    "market_data.factors": "ic_t_overlap",
    "market_data.fundamentals": "synthetic",
}


def job_of(job_type: JobType, result: dict[str, Any]) -> dict[str, Any]:
    """Return an ended job of a kind, as the API shows it."""
    return {
        "job_id": "a" * 32,
        "queue": job_type.queue,
        "task": job_type.name,
        "status": "partial",
        "market": None,
        "intervals": {"1m": 1} if job_type.queue == "ingest" else None,
        "requested_at": "2025-11-04T15:00:00Z",
        "completed_at": "2025-11-04T15:00:04Z",
        "progress": _PROGRESS,
        "result": result,
        "error": {"type": "items_failed", "message": "1 of 2 items failed"},
    }


@pytest.mark.parametrize("job_type", list(CATALOG), ids=lambda job_type: job_type.name)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_kind_of_result_is_printed(kaboom: Kaboom, scripted: Scripted, job_type: JobType, language: str) -> None:
    job = job_of(job_type, RESULTS[job_type.name])
    scripted.answers[:] = [(200, orjson.dumps(job)), (200, orjson.dumps(_NONE))]
    done = kaboom("--lang", language, "jobs", "show", job["job_id"])
    assert done.code == 0, done.err
    assert SHOWN[job_type.name] in done.out
    scripted.answers[:] = [(200, orjson.dumps(job))]
    assert kaboom("--lang", language, "--json", "jobs", "show", job["job_id"]).json == job


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "of another release"])
def test_keys_of_other_results_have_no_meaning(
    kaboom: Kaboom, scripted: Scripted, monkeypatch: pytest.MonkeyPatch, language: str, *, is_known: bool
) -> None:
    if is_known:
        monkeypatch.setitem(CATALOG._by_name, TRAP.name, TRAP)
    result = Trap().model_dump()
    job = job_of(TRAP, result)
    scripted.answers[:] = [(200, orjson.dumps(job)), (200, orjson.dumps(_NONE))]
    done = kaboom("--lang", language, "jobs", "show", job["job_id"])
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert [line for line in lines if line.partition(":")[0] in result] == [
        f"{name}: {value if isinstance(value, str) else orjson.dumps(value).decode()}" for name, value in result.items()
    ]
