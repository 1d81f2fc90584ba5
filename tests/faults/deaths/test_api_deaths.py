"""The API that dies in the middle of a submission, or is restarted under its watchers (rows 18 and 19)."""

import psycopg
import pytest

from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.faults.lab.watchers import Watchers
from tests.fixtures.servers.stacks import until


@pytest.fixture(scope="module")
def size() -> Size:
    """Two APIs, so that one can answer while the other is restarted."""
    return Size(apis=2, chunk_bars=60)


def targets_of(lab: Lab) -> list[str]:
    """Return the targets of the audit log."""
    with psycopg.connect(lab.database_url) as connection:
        return [target for (target,) in connection.execute("SELECT target FROM audit_log")]


# Row 18.
@pytest.mark.parametrize("step", ["admit", "put", "send"])
def test_an_api_that_dies_in_a_submission_accepts_it_once(lab: Lab, measure: Measures, step: str) -> None:
    body, key = lab.requests.build(4), f"dies-after-{step}"
    lab.plan(end_after=step)
    assert lab.caller.try_submit(body, key=key).code == 0
    until(lambda: lab.api.is_alive, lambda alive: not alive, within_s=10)
    logged = targets_of(lab)
    lab.plan()
    lab.api.start()
    job_id = lab.caller.submit(body, key=key)
    assert logged.count(job_id) == 1
    assert lab.caller.submit(body, key=key) == job_id
    lab.caller.wait(job_id, within_s=60)
    with psycopg.connect(lab.database_url) as connection:
        found = connection.execute("SELECT job_id FROM jobs WHERE request->'symbols' ? %s", (body["symbols"][0],))
        assert [known for (known,) in found] == [job_id]
    measure.note(18, f"the API killed right after `{step}`: one job, and the same id for the repeat", jobs=1)


# Row 19.
def test_watchers_miss_nothing_through_a_rolling_restart(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=1.5)
    job_id = lab.caller.submit(lab.requests.build(24))
    with Watchers([lab.url(0), lab.url(1)], job_id, count=200) as watchers:
        until(lambda: watchers.connected, lambda count: count == 200, within_s=30)
        for api in lab.apis:
            api.stop()
            api.start()
        lab.plan()
        lab.caller.wait(job_id)
        seen = watchers.results(within_s=30)
    written = [event_id for event_id, _ in lab.redis.xrange(f"ingest:job:{job_id}:events")]
    assert len(written) > 5
    assert [ids for ids in seen if ids != written] == []
    assert watchers.reconnects >= 200
    measure.note(19, "200 watchers through a rolling restart of two APIs", events=len(written) * 200, missed=0)
