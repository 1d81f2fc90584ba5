"""A provider that is slow for one symbol, or never answers (row 9)."""

import time

import pytest

from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.fixtures.patience import crowd


@pytest.fixture(scope="module", params=[6.0, pytest.param(None, marks=pytest.mark.full)], ids=["6s", "120s"])
def size(request: pytest.FixtureRequest) -> Size:
    """Chunks of some six symbols, given up for hung after 6 s, or after the 120 s of production."""
    return Size(slots=4, chunk_bars=240, stall_s=request.param)


@pytest.mark.timeout(600)
def test_a_hung_symbol_is_given_up_after_three_stalls(lab: Lab, size: Size, measure: Measures) -> None:
    body = lab.requests.build(24)
    hung, stall_s = body["symbols"][8], size.stall_s or 120.0
    lab.plan(hang=[hung])
    begun_at = time.monotonic()
    job_id = lab.caller.submit(body, ends=["partial"])
    job = lab.caller.wait(job_id, within_s=3 * (stall_s + 20))
    took_s = time.monotonic() - begun_at
    # A stall is seen at the next beat, 5 s later at worst.
    assert took_s < 3 * (stall_s + 20) * crowd()
    assert job["progress"]["done"] >= 18
    failures = lab.caller.http.get(f"/api/v1/ingest/jobs/{job_id}/failures").json()["items"]
    assert hung in {failure["item"] for failure in failures}
    measure.note(9, f"a symbol that never answers, given up after 3 stalls of {stall_s:g} s", took_s=took_s)


def test_a_slow_symbol_keeps_its_lease(lab: Lab, size: Size, measure: Measures) -> None:
    if size.stall_s is not None:
        pytest.skip("longer than this lab's stall; the other lab has it")
    body = lab.requests.build(24)
    lab.plan(slow={body["symbols"][8]: 60.0})
    job_id = lab.caller.submit(body)
    job = lab.caller.wait(job_id, within_s=120)
    chunks = lab.redis.hgetall(f"ingest:job:{job_id}:chunks")
    assert {n for name, n in chunks.items() if name.startswith("attempts:")} == {"1"}
    measure.note(9, "a symbol that takes 60 s keeps its lease of 15 s", done=job["progress"]["done"])
