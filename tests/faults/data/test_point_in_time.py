"""PostgreSQL with jobs and bars is taken back to a minute: both agree, and Kaboom goes on from there (row 35)."""

import time
from datetime import datetime

import psycopg
import pytest

from tests.faults.lab.chunks import wait_in_chunk
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.faults.lab.rewind import open_archive, read_done
from tests.fixtures.bars.kept_bars import bars_of
from tests.fixtures.jobs.apps import JOBS
from tests.fixtures.servers.stacks import until


@pytest.fixture(scope="module")
def size() -> Size:
    """Each symbol is a chunk, and PostgreSQL, which has the bars too, the lab's own."""
    return Size(chunk_bars=1, has_ledger=True, env={"KABOOM_BAR_STORE": "postgres"})


def read_minute(lab: Lab) -> datetime:
    """Return the time of PostgreSQL."""
    with psycopg.connect(lab.database_url) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row
    found: datetime = row[0]
    return found


def symbols_kept(lab: Lab) -> set[str]:
    """Return the symbols that have bars."""
    return {symbol for frame in bars_of(lab.open_bars()).values() for symbol in frame["symbol"].unique()}


# Row 35, too. The auditor compares jobs and bars when the job that ran at the minute has ended once more.
@pytest.mark.timeout(240)
def test_jobs_and_bars_agree_at_the_minute_of_a_recovery(lab: Lab, measure: Measures) -> None:
    archive = open_archive(lab)
    first, half, late = (lab.requests.build(n) for n in (6, 8, 3))
    lab.plan(pace_s=1.0)
    begun = lab.caller.submit(first)
    wait_in_chunk(lab, begun, settled=0)
    archive.back_up()
    assert lab.caller.wait(begun)["status"] == "completed"
    unfinished = lab.caller.submit(half)
    until(lambda: {*read_done(lab.database_url)} & {*half["symbols"]}, bool, within_s=30, every_s=0.05)
    minute, known = read_minute(lab), len(lab.caller.attempts)
    gone = lab.caller.submit(late)
    lab.plan()
    assert {lab.caller.wait(job_id)["status"] for job_id in (unfinished, gone)} == {"completed"}
    archive.close()

    for process in (*lab.apis, *lab.workers):
        process.stop()
    assert lab.ledger
    lab.ledger.kill()
    begun_at = time.monotonic()
    archive.restore(minute)
    restored_s = time.monotonic() - begun_at

    done, kept = read_done(lab.database_url), symbols_kept(lab)
    assert set(done) > set(first["symbols"])
    assert not set(done) >= set(half["symbols"]), "the job had ended before the minute"
    assert kept >= set(done)
    assert not kept & set(late["symbols"])
    # What the operator does, by docs/operations/losses.md.
    lab.redis.flushdb()
    lab.forget()
    del lab.caller.attempts[known:]
    lab.heal()
    assert lab.caller.wait(unfinished)["status"] == "completed"
    assert lab.caller.http.get(f"{JOBS}/{gone}").status_code == 404
    measure.note(35, "PostgreSQL with jobs and bars, recovered to a minute", lost=0, restored_s=restored_s)
