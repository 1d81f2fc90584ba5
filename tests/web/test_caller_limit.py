"""Callers of one owner cannot use up one another's limits, and admins and the ingest token have a part of their own."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from kaboom.drivers.redis.client import connect_redis
from kaboom.jobs.redis.events import EventHub, StreamSlots
from kaboom.jobs.redis.redis_counts import RedisCounts
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import SCOPES, Role, Scope
from kaboom.web.caller_errors import TooManyStreams
from kaboom.web.rate_limit import CallerLimiter
from kaboom.web.services import services_of
from tests.fixtures.accounts.callers import TOKENS, add_token, add_user, jwt_of, stranger_of
from tests.fixtures.jobs.apps import JOBS, RUN_DAILY, client_of, memory_settings, running

pytestmark = pytest.mark.anyio
DRY_RUN = {"intervals": {"1m": 1}, "symbols": ["7203"], "session": "2025-11-04", "dry_run": True}


def caller_of(subject: str, role: Role = Role.VIEWER, owner: str = "ingest") -> Principal:
    return Principal(owner, "jwt", subject, subject, SCOPES[role], role)


async def allowed(limiter: CallerLimiter, caller: Principal, calls: int, method: str = "POST") -> int:
    spent = [await limiter.spend(caller, method) for _ in range(calls)]
    return sum(1 for each in spent if each and not each.allowance.refusal)


@pytest.fixture(params=["memory", "redis"])
async def limiter(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[CallerLimiter]:
    """A limiter of 20 writes and 40 reads, alone and with shared counts."""
    found = CallerLimiter(write="20/hour", read="40/hour")
    if request.param == "memory":
        yield found
        return
    redis = connect_redis(request.getfixturevalue("redis_url"), client_name="test")
    await redis.flushdb()
    found.share(RedisCounts(redis))
    yield found
    await redis.aclose()


async def test_a_callers_calls_cost_only_the_caller(limiter: CallerLimiter) -> None:
    assert await allowed(limiter, caller_of("viewer"), 25) == 20
    assert await allowed(limiter, caller_of("operator", Role.OPERATOR), 25) == 20
    assert await allowed(limiter, caller_of("viewer"), 1, "GET") == 1


async def test_many_callers_stay_under_the_cap_of_their_owner(limiter: CallerLimiter) -> None:
    assert sum([await allowed(limiter, caller_of(f"viewer {n}"), 20) for n in range(5)]) == 60
    refused = await limiter.spend(caller_of("one more"), "POST")
    assert refused
    assert refused.allowance.refusal == "all callers of this owner may make 60 writes in 3600 s"
    assert await allowed(limiter, caller_of("viewer", owner="other"), 20) == 20


async def test_admins_have_a_reserve_when_the_cap_is_used_up(limiter: CallerLimiter) -> None:
    for n in range(4):
        await allowed(limiter, caller_of(f"viewer {n}"), 20)
    assert await allowed(limiter, caller_of("ingest_token", Role.ADMIN), 25) == 20
    assert await allowed(limiter, caller_of("another admin", Role.ADMIN), 5) == 0


@pytest.mark.parametrize(("status", "left"), [(202, 0), (403, 1), (404, 1), (422, 1), (503, 1), (500, 0)])
async def test_a_refused_call_costs_its_owner_nothing(limiter: CallerLimiter, status: int, left: int) -> None:
    for n in range(3):
        await allowed(limiter, caller_of(f"viewer {n}"), 20 if n < 2 else 19)
    last = await limiter.spend(caller_of("viewer 2"), "POST")
    assert last
    last.settle(status)
    # Only a 503 is given back to the caller itself.
    caller = caller_of("viewer 2" if status == 503 else "one more")
    assert await allowed(limiter, caller, 2) == left


async def test_refused_submissions_of_a_viewer_do_not_starve_the_ingest_token(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path, rate_limit_write="5/hour")) as app:
        token = await jwt_of(app, await add_user(app, Role.VIEWER))
        _, reader = await add_token(app, Scope.JOBS_READ)
        async with (
            stranger_of(app, authorization=f"Bearer {token}") as viewer,
            stranger_of(app, **{"x-ingest-token": reader}) as other,
            client_of(app) as ingest,
        ):
            refused = [(await viewer.post(RUN_DAILY, json=DRY_RUN)).status_code for _ in range(25)]
            assert refused == [403] * 5 + [429] * 20
            assert [(await other.post(RUN_DAILY, json=DRY_RUN)).status_code for _ in range(6)] == [403] * 5 + [429]
            assert (await viewer.get(JOBS)).status_code == 200
            assert (await ingest.get(TOKENS)).status_code == 200
            assert [(await ingest.post(RUN_DAILY, json=DRY_RUN)).status_code for _ in range(6)] == [202] * 5 + [429]


async def take_all(slots: StreamSlots, stack: AsyncExitStack, caller: Principal) -> int:
    """Open streams until one is refused; return how many were open."""
    for number in range(1000):
        try:
            stack.enter_context(slots.take(caller))
        except TooManyStreams:
            return number
    return 1000


async def test_one_caller_has_half_of_the_streams_and_a_quarter_is_kept_for_admins() -> None:
    slots = StreamSlots(256)
    async with contextlib.AsyncExitStack() as stack:
        assert await take_all(slots, stack, caller_of("viewer")) == 128
        assert await take_all(slots, stack, caller_of("operator", Role.OPERATOR)) == 64
        assert await take_all(slots, stack, caller_of("one more")) == 0
        assert await take_all(slots, stack, caller_of("ingest_token", Role.ADMIN)) == 64
        assert slots.is_full(caller_of("another admin", Role.ADMIN))
        assert not slots.is_full(caller_of("viewer", owner="other"))
    async with contextlib.AsyncExitStack() as stack:
        assert await take_all(slots, stack, caller_of("viewer")) == 128


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_every_bound_of_streams_leaves_a_caller_one(most: int) -> None:
    slots = StreamSlots(most)
    async with contextlib.AsyncExitStack() as stack:
        assert await take_all(slots, stack, caller_of("viewer")) == (most + 1) // 2


async def test_streams_of_a_viewer_leave_some_to_the_ingest_token(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path, max_streams=4)) as app, client_of(app) as ingest:
        job = (await ingest.post(RUN_DAILY, json=DRY_RUN)).headers["location"]
        viewer = await add_user(app, Role.VIEWER)
        principal = caller_of(viewer.user_id)
        async with contextlib.AsyncExitStack() as stack:
            await take_all(services_of(app).find(EventHub).slots, stack, principal)
            token = await jwt_of(app, viewer)
            async with stranger_of(app, authorization=f"Bearer {token}", accept="text/event-stream") as http:
                refused: httpx2.Response = await http.get(f"{job}/events")
            assert refused.status_code == 429
            assert "which is the limit of a caller" in refused.text
            answer = await ingest.get(f"{job}/events", headers={"Accept": "text/event-stream"})
            assert answer.status_code == 200
