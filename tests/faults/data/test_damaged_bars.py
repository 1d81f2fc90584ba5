"""Damaged pages and files of bars, under jobs at work (rows 36 and 37)."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.lab.chunks import wait_in_chunk
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.fixtures.bars import damage
from tests.fixtures.jobs.apps import JOBS
from tests.fixtures.servers.stacks import KABOOM


@pytest.fixture(scope="module")
def size() -> Size:
    """Chunks of some three symbols."""
    return Size(chunk_bars=120)


def page_file(lab: Lab) -> Path:
    return lab.data_dir / "bars/synthetic/1h/2025-10.sqlite"


def repair(lab: Lab) -> str:
    """Repair beside the workers; the test itself asks for the bars again, so that every job is one that it knows of."""
    argv = (*KABOOM, "bars", "repair", "--no-backfill")
    done = subprocess.run(argv, env=lab.api.spec.env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


# Row 36.
def test_a_damaged_page_fails_its_own_symbol_alone(lab: Lab, measure: Measures) -> None:
    # One session, so that the symbol has no other bars in the job.
    body = lab.requests.build(12) | {"intervals": {"1h": 1}}
    assert lab.caller.wait(lab.caller.submit(body))["status"] == "completed"
    hurt = body["symbols"][4]
    damage.flip_page(page_file(lab), hurt)

    begun_at = time.monotonic()
    job = lab.caller.wait(lab.caller.submit(body, ends=("partial",)))
    took_s = time.monotonic() - begun_at

    assert (job["status"], job["result"]["outcomes"]["write_failed"]) == ("partial", 1)
    (failure,) = lab.caller.http.get(f"{JOBS}/{job['job_id']}/failures").json()["items"]
    assert failure["item"] == hurt
    assert "its crc32 was" in failure["message"]
    assert failure["message"].endswith("repair it with `kaboom bars repair`")
    assert lab.doctor()["bar store"] == "fault"
    assert hurt in repair(lab)
    assert lab.caller.wait(lab.caller.submit(body))["status"] == "completed"
    assert lab.doctor()["bar store"] == "ok"
    measure.note(36, "six bytes of a page flipped: its own symbol of 12", failed=1, wrong=0, finished_s=took_s)


# Row 37.
def test_a_file_replaced_under_a_running_job_loses_nothing(lab: Lab, measure: Measures) -> None:
    body = lab.requests.build(12)
    assert lab.caller.wait(lab.caller.submit(body))["status"] == "completed"
    lab.plan(pace_s=0.3)
    job_id = lab.caller.submit(body, ends=("completed", "partial", "failed"))
    wait_in_chunk(lab, job_id)
    damage.overwrite_header(page_file(lab))
    begun_at = time.monotonic()
    repair(lab)
    job = lab.caller.wait(job_id)
    lab.plan()
    assert sum(job["result"]["outcomes"].values()) == 12
    # What was set aside, of this job and of those before, comes again.
    taken = {attempt.symbols: lab.caller.job(attempt.job_id) for attempt in lab.caller.attempts if attempt.job_id}
    for symbols, earlier in taken.items():
        again = {"symbols": list(symbols), "intervals": earlier["intervals"]}
        lab.caller.wait(lab.caller.submit(body | again))
    assert lab.doctor()["bar store"] == "ok"
    measure.note(37, "a page file's header overwritten under a running job, and repaired", lost=0,
                 finished_s=time.monotonic() - begun_at)  # fmt: skip
