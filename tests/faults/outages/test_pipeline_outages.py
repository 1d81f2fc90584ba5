"""A pipeline over sessions while the worker, Valkey and PostgreSQL are killed (row 66)."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from kaboom.market.bar import BarSeries
from tests.faults.lab.faults import last
from tests.faults.lab.lab import Lab, Size, open_lab, wait_quiet
from tests.faults.lab.measure import Measures
from tests.fixtures.bars.kept_bars import bars_of
from tests.fixtures.servers.servers import Servers
from tests.fixtures.servers.stacks import until

SESSIONS = ("2025-10-29", "2025-10-30", "2025-10-31")
SYMBOLS = ["1301", "1332", "1333", "1375", "1377", "1379"]
POISON = "1375"
OF_DAYS = "synthetic_from_1m"
STEPS: list[dict[str, Any]] = [
    {
        "name": "ingest",
        "task": "ingest.run_daily",
        "params": {"provider": "synthetic", "symbols": SYMBOLS, "intervals": {"1m": 1}},
    },
    {
        "name": "roll_up",
        "task": "market_data.roll_up",
        "needs": ["ingest"],
        "params": {"provider": "synthetic", "symbols": SYMBOLS, "intervals": {"1d": 1}},
    },
    {
        "name": "indicators",
        "task": "market_data.indicators",
        "needs": ["roll_up"],
        "params": {"provider": OF_DAYS, "indicators": ["sma:3"], "sessions": 3},
    },
    {
        "name": "analyse",
        "task": "ai_analysis.analyse",
        "needs": ["indicators"],
        "on": "any",
        "params": {"kind": "risk", "symbols": SYMBOLS[:2], "provider": OF_DAYS, "sessions": 30},
    },
]
#: A process of the pool dies of the symbol each time, until the chunk is given up.
PARTIAL_WITHIN_S = 150


@pytest.fixture(scope="module")
def size() -> Size:
    """A chunk of each symbol, and PostgreSQL of the lab's own."""
    return Size(chunk_bars=1, has_ledger=True)


@pytest.fixture
def lab(servers: Servers, size: Size) -> Iterator[Lab]:
    """A whole lab. The auditor knows requests of one session only: this file compares with a calm lab instead."""
    with open_lab(servers, size) as lab:
        yield lab


def start(lab: Lab, *sessions: str) -> None:
    """Save the pipeline, and run it for each session of a span."""
    saved = lab.caller.http.post("/api/v1/pipelines", json={"name": "morning", "steps": STEPS})
    assert saved.status_code in {200, 201}, saved.text
    body = {"first": sessions[0], "last": sessions[-1]}
    started = lab.caller.http.post("/api/v1/pipelines/morning/runs", json=body)
    assert started.status_code == 202, started.text
    assert [item["session"] for item in started.json()["items"]] == list(sessions)


def read(lab: Lab, statement: str) -> list[dict[str, Any]]:
    assert lab.ledger
    with psycopg.connect(lab.ledger.url, row_factory=dict_row) as connection:
        return connection.execute(statement).fetchall()


def runs_of(lab: Lab) -> dict[str, dict[str, Any]]:
    rows = read(lab, "SELECT session::text, status, states, ended_at FROM pipeline_runs")
    return {row["session"]: row for row in rows}


def wait_ended(lab: Lab, within_s: float = 120) -> dict[str, dict[str, Any]]:
    ended = until(lambda: runs_of(lab), lambda runs: all(r["ended_at"] for r in runs.values()), within_s=within_s)
    wait_quiet(lab)
    return ended


def jobs_of(lab: Lab) -> dict[str, dict[str, Any]]:
    names = "job_id, task, request, status, total, done, failed, written, rows, result"
    return {row["job_id"]: row for row in read(lab, f"SELECT {names} FROM jobs")}


def works_of(lab: Lab) -> dict[tuple[str, str], Any]:
    """Return what each step of each session did."""
    jobs = jobs_of(lab)
    counts = ("status", "total", "done", "failed", "written", "rows")
    return {
        (session, name): [jobs[state["job_id"]][count] for count in counts]
        + [[(one["subject"], one["verdict"]) for one in (jobs[state["job_id"]]["result"] or {}).get("analyses", ())]]
        for session, run in runs_of(lab).items()
        for name, state in run["states"].items()
    }


def sma_of(lab: Lab) -> dict[str, bytes]:
    folder = lab.data_dir / "indicators"
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.parquet"))}


def rows_of(lab: Lab) -> dict[BarSeries, list[tuple[Any, ...]]]:
    names = ("symbol", "opened_at", "open", "high", "low", "close", "volume")
    return {series: frame.select(names).rows() for series, frame in bars_of(lab.open_bars()).items()}


def wait_step(lab: Lab, n: int) -> None:
    """Wait until so many jobs of steps exist, and one of them is not over."""

    def ask() -> bool:
        found = Counter(row["status"] for row in read(lab, "SELECT status FROM jobs"))
        return found.total() >= n and (
            found["running"] + found["queued"] > 0 or found.total() == len(SESSIONS) * len(STEPS)
        )

    until(ask, bool, within_s=90, every_s=0.05)


def kill_each(lab: Lab) -> int:
    """Kill each part in turn, in the middle of steps and between them; return how often."""
    assert lab.ledger
    kills: list[Callable[[], None]] = [lab.worker.kill, lab.kill_valkey, lab.ledger.kill]
    for n, kill in enumerate([*kills, *kills]):
        wait_step(lab, 1 + 2 * n)
        kill()
        last(1.0)
        lab.ledger.heal()
        lab.heal()
        lab.plan(pace_s=0.3, item_pace_s=0.2)
    return 2 * len(kills)


@pytest.mark.timeout(400)
def test_each_step_runs_once_for_a_session_under_kills_and_a_partial_ingest_stops_what_needs_it(
    lab: Lab, servers: Servers, size: Size, measure: Measures
) -> None:
    with open_lab(servers, size) as calm:
        start(calm, *SESSIONS)
        wait_ended(calm)
        expected, kept, files = works_of(calm), rows_of(calm), sma_of(calm)
    lab.plan(pace_s=0.3, item_pace_s=0.2)
    start(lab, *SESSIONS)
    kills = kill_each(lab)
    runs = wait_ended(lab)

    assert {session: run["status"] for session, run in runs.items()} == dict.fromkeys(SESSIONS, "completed")
    jobs = jobs_of(lab)
    assert len(jobs) == len(SESSIONS) * len(STEPS)
    once = Counter((job["task"], job["request"].get("session")) for job in jobs.values())
    assert once == {(step["task"], session): 1 for step in STEPS for session in SESSIONS}
    assert works_of(lab) == expected
    assert rows_of(lab) == kept
    assert sma_of(lab) == files
    assert files

    # A session that is half there: the pool's process dies of one symbol.
    lab.plan(crash=[POISON])
    start(lab, "2025-11-04")
    run = wait_ended(lab, PARTIAL_WITHIN_S)["2025-11-04"]
    states = run["states"]
    assert {name: state["status"] for name, state in states.items()} == {
        "ingest": "partial", "roll_up": "skipped", "indicators": "skipped", "analyse": "completed",
    }  # fmt: skip
    assert states["roll_up"]["reason"] == "ingest was partial, and the step runs on completed"
    assert run["status"] == "partial"
    measure.note(66, f"a pipeline over {len(SESSIONS)} sessions, {kills} kills", jobs=len(jobs), doubled=0, lost=0)
