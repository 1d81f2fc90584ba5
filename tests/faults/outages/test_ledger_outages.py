"""PostgreSQL that is killed, kept away, frozen or full, with jobs queued and running (rows 27 to 30)."""

import time
from collections.abc import Callable

import psycopg
import pytest

from tests.faults.lab.chunks import wait_in_chunk
from tests.faults.lab.faults import last
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.ledger import Ledger
from tests.faults.lab.measure import Measures
from tests.fixtures.servers.stacks import FINAL, until

FULL = pytest.mark.full
#: Jobs that wait in the queue when the outage begins; each is two symbols.
_QUEUED = 15
#: The longest wait of a step, a round of the reaper's, and the work itself.
_GOES_ON_WITHIN_S = 40.0


@pytest.fixture(scope="module")
def size() -> Size:
    """Each symbol is a chunk, and PostgreSQL, which has the bars too, the lab's own."""
    return Size(chunk_bars=1, has_ledger=True, env={"KABOOM_BAR_STORE": "postgres"})


def ledger_of(lab: Lab) -> Ledger:
    """Return the lab's own PostgreSQL."""
    assert lab.ledger
    return lab.ledger


def load(lab: Lab) -> list[str]:
    """Have a job run, slowly, and others wait whose worker is stopped until the outage has begun."""
    lab.plan(pace_s=0.5)
    running = lab.caller.submit(lab.requests.build(12))
    wait_in_chunk(lab, running, settled=0)
    lab.worker.freeze()
    return [running, *(lab.caller.submit(lab.requests.build(2)) for _ in range(_QUEUED))]


def suffer(lab: Lab, jobs: list[str], *, for_s: float) -> list[int]:
    """Let the worker go on into an outage, submit meanwhile, and return the codes of these submissions."""
    lab.worker.thaw()
    lab.plan()
    over_at, codes = time.monotonic() + for_s, []
    while time.monotonic() < over_at:
        attempt = lab.caller.try_submit(lab.requests.build(2))
        codes.append(attempt.code)
        if attempt.job_id:
            lab.caller.expected[attempt.job_id] = frozenset({"completed"})
            jobs.append(attempt.job_id)
        last(0.5)
    assert lab.worker.is_alive
    assert [job_id for job_id in jobs if live_status(lab, job_id) in {"failed", "partial"}] == []
    return codes


def live_status(lab: Lab, job_id: str) -> str | None:
    """Return a job's status in Redis."""
    found: str | None = lab.redis.hget(f"ingest:job:{job_id}", "status")
    return found


def all_completed(lab: Lab, jobs: list[str]) -> float:
    """Return how long it takes until the ledger knows every job to be completed."""
    begun_at = time.monotonic()

    def open_jobs() -> set[str]:
        with psycopg.connect(lab.database_url) as connection:
            rows = connection.execute("SELECT job_id FROM jobs WHERE status <> ALL (%s)", (sorted(FINAL),))
            return {job_id for (job_id,) in rows}

    until(open_jobs, lambda left: not left, within_s=_GOES_ON_WITHIN_S, every_s=0.1)
    assert {lab.caller.job(job_id)["status"] for job_id in jobs} == {"completed"}
    return time.monotonic() - begun_at


def goes_on(lab: Lab, jobs: list[str]) -> float:
    """Return how long after an outage the first of the jobs that waited has its plan."""
    begun_at = time.monotonic()

    def planned() -> list[str]:
        return [job_id for job_id in jobs if lab.redis.hexists(f"ingest:job:{job_id}", "plan")]

    before = len(planned())
    until(planned, lambda found: len(found) > before or len(found) == len(jobs), within_s=_GOES_ON_WITHIN_S)
    return time.monotonic() - begun_at


def endure(lab: Lab, measure: Measures, *, row: int, what: str, fault: Callable[[], None], for_s: float) -> list[int]:
    """Suffer an outage of so many seconds, end it, and measure; return the codes of submissions in it."""
    jobs = load(lab)
    fault()
    codes = suffer(lab, jobs, for_s=for_s)
    ledger_of(lab).heal()
    first_s = goes_on(lab, jobs)
    ends_s = first_s + all_completed(lab, jobs)
    # What remains is the auditor's: none lost, none doubled, every count right.
    measure.note(
        row,
        f"{what} for {for_s:g} s",
        jobs_accepted=len(jobs),
        lost=0,
        doubled=0,
        goes_on_s=first_s,
        all_ended_s=ends_s,
    )
    return codes


# Row 27.
def test_queued_and_running_jobs_outlive_a_killed_ledger(lab: Lab, measure: Measures) -> None:
    fault = ledger_of(lab).kill
    codes = endure(lab, measure, row=27, what="PostgreSQL killed, and away", fault=fault, for_s=5)
    assert set(codes) <= {503, 0}


# Row 28: longer than three tries, than a lease, and than a message that is sent again.
@FULL
@pytest.mark.timeout(240)
def test_jobs_survive_a_ledger_outage_of_a_minute(lab: Lab, measure: Measures) -> None:
    fault = ledger_of(lab).kill
    codes = endure(lab, measure, row=28, what="PostgreSQL away", fault=fault, for_s=60)
    assert set(codes) <= {503, 0}


# Row 29: its sockets stay open, and nothing comes.
@pytest.mark.timeout(240)
@pytest.mark.parametrize("frozen_s", [9, pytest.param(75, marks=FULL)])
def test_queued_and_running_jobs_outlive_a_frozen_ledger(lab: Lab, measure: Measures, frozen_s: float) -> None:
    fault = ledger_of(lab).freeze
    codes = endure(lab, measure, row=29, what="PostgreSQL frozen", fault=fault, for_s=frozen_s)
    assert set(codes) == {503}


# Row 30. A small insert may still fit, so a submission may be accepted: it is then as safe as any other.
@pytest.mark.timeout(240)
@pytest.mark.parametrize("full_s", [6, pytest.param(60, marks=FULL)])
def test_queued_and_running_jobs_outlive_a_ledger_whose_disk_is_full(
    lab: Lab, measure: Measures, full_s: float
) -> None:
    ledger = ledger_of(lab)
    if ledger.disk is None:
        pytest.skip("a disk of its own for PostgreSQL needs root and the right to mount")

    def fill() -> None:
        ledger.fill_disk()
        assert not ledger.has_room()

    codes = endure(lab, measure, row=30, what="PostgreSQL's disk full", fault=fill, for_s=full_s)
    assert set(codes) <= {202, 503}


# Row 30, too: bars of a series that has no partition yet, so that they do not fit in what is there.
def test_chunks_wait_until_bars_have_room_on_the_disk(lab: Lab, measure: Measures) -> None:
    ledger = ledger_of(lab)
    if ledger.disk is None:
        pytest.skip("a disk of its own for PostgreSQL needs root and the right to mount")
    lab.worker.freeze()
    job_id = lab.caller.submit(lab.requests.build(3) | {"intervals": {"1m": 2}})
    key = f"ingest:job:{job_id}"
    lab.plan(pace_s=2.0)
    lab.worker.thaw()
    wait_in_chunk(lab, job_id, settled=0)
    ledger.fill_disk()
    lab.plan()
    reason = until(lambda: lab.redis.hget(key, "pause_reason") or "", lambda text: "disk is full" in text, within_s=30)
    assert reason.startswith("StoreError: PostgreSQL's disk is full: ")
    last(4.0)
    assert live_status(lab, job_id) == "running"
    begun_at = time.monotonic()
    ledger.heal()
    job = lab.caller.wait(job_id)
    goes_on_s = time.monotonic() - begun_at
    assert (job["status"], job["progress"]["failed"]) == ("completed", 0)
    chunks = lab.redis.hgetall(f"{key}:chunks")
    assert {count for name, count in chunks.items() if name.startswith("attempts:")} == {"1"}
    measure.note(30, "bars without room on PostgreSQL's disk", lost=0, goes_on_s=goes_on_s)


# Row 27, too.
def test_a_job_that_waits_for_the_ledger_is_cancelled_within_seconds(lab: Lab, measure: Measures) -> None:
    jobs = load(lab)
    lab.plan(pace_s=2.0)
    ledger_of(lab).kill()
    lab.worker.thaw()
    slowest_s = stop(lab, jobs[0])
    until(lambda: lab.redis.hget(f"ingest:job:{jobs[1]}", "pause_reason"), bool, within_s=20)
    waiting = lab.caller.job(jobs[1])
    assert "PostgreSQL" in waiting["progress"]["pause_reason"]
    assert waiting["health"] == "paused"
    slowest_s = max(slowest_s, stop(lab, jobs[1]))
    lab.plan()
    ledger_of(lab).heal()
    all_ended = until(
        lambda: [lab.caller.job(job_id)["status"] for job_id in jobs],
        lambda found: set(found) <= FINAL,
        within_s=_GOES_ON_WITHIN_S,
    )
    assert all_ended == ["cancelled", "cancelled", *["completed"] * (len(jobs) - 2)]
    measure.note(27, "a cancel without PostgreSQL, of a running and of a waiting job", slowest_s=slowest_s)


def stop(lab: Lab, job_id: str) -> float:
    """Cancel a job, and return how long it takes until it is."""
    lab.caller.expected[job_id] = frozenset({"cancelled"})
    begun_at = time.monotonic()
    assert lab.caller.cancel(job_id) == 202
    until(lambda: lab.caller.job(job_id)["status"], lambda status: status == "cancelled", within_s=10)
    return time.monotonic() - begun_at
