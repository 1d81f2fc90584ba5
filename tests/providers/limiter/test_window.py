"""No schedule of requests, however slow or cut off, shows a provider more than its limit in any window."""

import asyncio
import itertools

from hypothesis import given
from hypothesis import strategies as st

from kaboom.providers.limiter.memory import MemoryPermitStore
from kaboom.providers.limiter.port import Limits, Permit, Result
from tests.fixtures.providers.permit_stores import Clock

WINDOW_S = 60.0
#: Seconds before a request is asked for, on its way there, and on the way back; a process may die with it.
STEP = st.tuples(st.floats(0, 20), st.floats(0, 25), st.floats(0, 50), st.sampled_from([*Result, "dies"]))


@given(requests=st.integers(1, 6), concurrency=st.none() | st.integers(1, 3), steps=st.lists(STEP, max_size=60))
def test_in_any_window_the_provider_sees_no_more_than_the_limit(
    requests: int, concurrency: int | None, steps: list[tuple[float, float, float, Result | str]]
) -> None:
    limits = Limits(requests=requests, concurrency=concurrency, window_s=WINDOW_S, lease_s=30.0, failures=2)
    seen, most_held = asyncio.run(run(limits, steps))
    for first, last in zip(seen, itertools.islice(seen, requests, None), strict=False):
        assert last - first > WINDOW_S, f"{requests + 1} requests in {last - first:.3f} s"
    assert concurrency is None or most_held <= concurrency


async def run(limits: Limits, steps: list[tuple[float, float, float, Result | str]]) -> tuple[list[float], int]:
    """Play the steps; return when the provider saw requests, in order, and how many were under way at most."""
    clock, seen, most = Clock(), [], 0
    limiter = MemoryPermitStore(limits, clock=clock)
    under_way: list[tuple[float, Permit, Result]] = []
    for before_s, there_s, back_s, end in steps:
        clock.now += before_s
        for over_at, permit, result in sorted(under_way, key=lambda each: each[0]):
            if over_at <= clock.now:
                await limiter.release(permit, result)
                under_way.remove((over_at, permit, result))
        answer = await limiter.acquire()
        if not isinstance(answer, Permit):
            continue
        seen.append(clock.now + there_s)
        if isinstance(end, Result):
            # Renewed, as the rate limiter does.
            limiter._state.held[answer.permit_id] = clock.now + there_s + back_s + 1
            under_way.append((clock.now + there_s + back_s, answer, end))
        most = max(most, len(under_way))
    return sorted(seen), most
