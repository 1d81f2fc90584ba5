"""The Lua script of the permits, called directly: what it answers, and what it leaves in Redis."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kaboom.drivers.redis.client import Redis, connect_redis, register_script
from kaboom.providers.limiter.pauses import of_provider

pytestmark = pytest.mark.anyio

STATE, HELD, RECENT, WAITING = of_provider("fake")
LEASE_MS, WINDOW_MS, POLL_MS, FIRST_MS, LONGEST_MS = 30_000, 60_000, 200, 10_000, 35_000
#: A permit that stays in the window for a thousandth longer: the clock of the provider differs.
LEAVES_MS = WINDOW_MS + 60
LIMITED, FAILED, ANSWERED, UNKNOWN = "limited", "failed", "answered", "unknown"


class Permits:
    """The script, as the process `a` calls it unless a test names another."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.script = register_script(redis, "kaboom.providers.limiter", "permits")
        self.before = self.after = 0

    async def now(self) -> int:
        seconds, micros = await self.redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def run(
        self, *calls: tuple[str | int, ...], process: str = "a", requests: int = 0, slots: int = 0, failures: int = 3
    ) -> list[Any]:
        """Run calls in one trip, and note when."""
        limits = (process, LEASE_MS, requests, WINDOW_MS, slots, POLL_MS, failures, FIRST_MS, LONGEST_MS)
        padded = [word for call in calls for word in (*call, *[""] * (5 - len(call)))]
        self.before = await self.now()
        answers = await self.script(keys=of_provider("fake"), args=[*limits, *padded])
        self.after = await self.now()
        return list(answers)

    async def acquire(self, nonce: str = "1", **limits: Any) -> list[str]:
        return list((await self.run(("acquire", nonce), **limits))[0])

    async def release(self, permit: str, result: str, named_ms: int = -1, **limits: Any) -> int:
        word, pause, message = (await self.run(("release", permit, result, named_ms, "why"), **limits))[0]
        assert (word, message) == ("ok", "")
        return int(pause)

    async def put(self, key: str, **ahead_ms: int) -> None:
        """Write members that are over in so many milliseconds; `_` stands for `:` in their names."""
        now = await self.now()
        if ahead_ms:
            await self.redis.zadd(key, {name.strip("_").replace("_", ":"): now + ms for name, ms in ahead_ms.items()})

    def is_now(self, value: bytes | str | float | None, ahead_ms: int = 0) -> bool:
        return value is not None and self.before <= float(value) - ahead_ms <= self.after

    async def names(self, key: str) -> list[str]:
        return [str(name) for name in await self.redis.zrange(key, 0, -1)]


@pytest.fixture
async def permits(redis_url: str) -> AsyncIterator[Permits]:
    redis = connect_redis(redis_url, client_name="test")
    await redis.flushdb()
    yield Permits(redis)
    await redis.aclose()


class TestAcquire:
    async def test_a_permit_is_held_until_its_lease_ends(self, permits: Permits) -> None:
        await permits.redis.hset(STATE, "epoch", "4")
        await permits.put(WAITING, a=500)
        assert await permits.acquire(requests=6, slots=2) == ["ok", "4:a:1", ""]
        assert permits.is_now(await permits.redis.zscore(HELD, "4:a:1"), LEASE_MS)
        assert permits.is_now(await permits.redis.hget(STATE, "next_at"), WINDOW_MS // 6)
        assert await permits.redis.hmget(STATE, ["last", "trial"]) == ["a", None]
        assert await permits.names(WAITING) == []
        for key in (STATE, HELD):
            assert 86_300_000 < await permits.redis.pttl(key) <= 86_400_000

    async def test_without_a_rate_no_pace_is_kept(self, permits: Permits) -> None:
        assert [word for word, *_ in await permits.run(*[("acquire", n) for n in range(9)])] == ["ok"] * 9
        assert await permits.redis.hget(STATE, "next_at") is None

    async def test_permits_go_out_evenly(self, permits: Permits) -> None:
        first, second = await permits.run(("acquire", 1), ("acquire", 2), requests=6)
        assert (first[0], second) == ("ok", ["pace", str(WINDOW_MS // 6), ""])

    @pytest.mark.parametrize(("held", "recent", "word"), [(1, 1, "ok"), (2, 1, "pace"), (1, 2, "pace"), (3, 0, "busy")])
    async def test_held_and_recent_permits_count_in_the_window(
        self, permits: Permits, held: int, recent: int, word: str
    ) -> None:
        await permits.put(HELD, **{f"0_b_{n}": 9_000 for n in range(held)})
        await permits.put(RECENT, **{f"0_c_{n}": 5_000 + n for n in range(recent)})
        found, value, _ = await permits.acquire(requests=3)
        assert found == word
        if word == "pace":
            leaves = await permits.redis.zscore(RECENT, "0:c:0")
            assert permits.is_now((leaves or 0) - int(value))
        if word == "busy":
            assert int(value) == POLL_MS
        assert (await permits.redis.hget(STATE, "next_at") is None) is (word != "ok")

    async def test_what_left_the_window_counts_no_more(self, permits: Permits) -> None:
        await permits.put(RECENT, _0_c_1=-1, _0_c_2=60_000)
        assert (await permits.acquire(requests=2))[0] == "ok"
        assert await permits.names(RECENT) == ["0:c:2"]

    async def test_a_lapsed_permit_counts_from_the_end_of_its_lease(self, permits: Permits) -> None:
        await permits.put(HELD, _0_b_1=-1_000, _0_b_2=-2_000, _0_b_3=9_000)
        ended = await permits.redis.zscore(HELD, "0:b:1")
        assert (await permits.acquire(requests=4))[0] == "ok"
        assert await permits.names(HELD) == ["0:b:3", "0:a:1"]
        assert await permits.names(RECENT) == ["0:b:2", "0:b:1"]
        assert await permits.redis.zscore(RECENT, "0:b:1") == (ended or 0) + LEAVES_MS

    @pytest.mark.parametrize(("held", "word"), [(1, "ok"), (2, "busy"), (3, "busy")])
    async def test_slots_are_capped_and_who_waits_is_known(self, permits: Permits, held: int, word: str) -> None:
        await permits.put(HELD, **{f"0_b_{n}": 9_000 for n in range(held)})
        found, value, _ = await permits.acquire(slots=2)
        assert found == word
        if word == "busy":
            assert int(value) == POLL_MS
            assert permits.is_now(await permits.redis.zscore(WAITING, "a"), 2 * POLL_MS)

    @pytest.mark.parametrize(
        ("mine", "others", "slots", "word"),
        [(3, 0, 8, "ok"), (4, 0, 8, "busy"), (3, 3, 8, "busy"), (2, 3, 8, "ok"), (2, 0, 3, "busy"), (1, 0, 3, "ok")],
    )
    async def test_while_others_wait_a_process_has_its_share(
        self, permits: Permits, mine: int, others: int, slots: int, word: str
    ) -> None:
        # Process b waits; process c, if it holds any, is the third.
        await permits.put(WAITING, b=9_000)
        await permits.put(HELD, **{f"0_a_{n}": 9_000 for n in range(mine)})
        await permits.put(HELD, **{f"0_c_{n}": 8_000 + n for n in range(others)})
        assert (await permits.acquire("99", slots=slots))[0] == word

    async def test_who_no_longer_waits_has_no_share(self, permits: Permits) -> None:
        await permits.put(WAITING, b=-1)
        await permits.put(HELD, _0_a_0=9_000)
        assert (await permits.acquire(slots=2))[0] == "ok"
        assert await permits.names(WAITING) == []

    @pytest.mark.parametrize(("last", "word"), [("a", "busy"), ("b", "ok")])
    async def test_fewer_slots_than_processes_rotate(self, permits: Permits, last: str, word: str) -> None:
        await permits.redis.hset(STATE, "last", last)
        await permits.put(WAITING, b=9_000)
        assert (await permits.acquire(slots=1))[0] == word


class TestPause:
    async def test_a_pause_is_said_until_it_is_over(self, permits: Permits) -> None:
        until = await permits.now() + 60_000
        await permits.redis.hset(STATE, mapping={"paused_until": str(until), "message": "429"})
        word, left, message = await permits.acquire()
        assert (word, message, permits.is_now(until - int(left))) == ("pause", "429", True)
        assert await permits.names(HELD) == []

    async def test_after_a_pause_one_trial_goes_first(self, permits: Permits) -> None:
        await permits.redis.hset(STATE, mapping={"pauses": "1", "paused_until": "1", "epoch": "1"})
        first, second = await permits.run(("acquire", 1), ("acquire", 2))
        assert (first, second) == (["ok", "1:a:1", ""], ["busy", str(POLL_MS), ""])
        assert await permits.redis.hget(STATE, "trial") == "1:a:1"
        await permits.redis.zadd(HELD, {"1:a:1": 1})
        assert await permits.acquire("3") == ["ok", "1:a:3", ""]

    @pytest.mark.parametrize(("result", "pauses"), [(ANSWERED, "0"), (UNKNOWN, "1")])
    async def test_the_end_of_the_trial_lets_the_next_go(self, permits: Permits, result: str, pauses: str) -> None:
        await permits.redis.hset(STATE, mapping={"pauses": "1", "epoch": "1", "trial": "1:a:1", "failures": "2"})
        await permits.put(HELD, _1_a_1=9_000)
        assert await permits.release("1:a:1", result) == 0
        assert await permits.redis.hmget(STATE, ["trial", "pauses"]) == [None, pauses]
        assert await permits.redis.hget(STATE, "failures") == ("0" if result == ANSWERED else "2")
        assert (await permits.acquire("2"))[0] == "ok"

    @pytest.mark.parametrize("result", [LIMITED, FAILED])
    @pytest.mark.parametrize(("pauses", "pause"), [(1, 20_000), (2, LONGEST_MS), (99, LONGEST_MS)])
    async def test_a_failed_trial_begins_a_longer_pause(
        self, permits: Permits, result: str, pauses: int, pause: int
    ) -> None:
        await permits.redis.hset(STATE, mapping={"pauses": str(pauses), "epoch": "7", "failures": "0"})
        assert await permits.release("7:a:1", result) == pause
        until, *rest = await permits.redis.hmget(STATE, ["paused_until", "message", "failures", "pauses", "epoch"])
        assert (permits.is_now(until, pause), rest) == (True, ["why", "0", str(pauses + 1), "8"])

    @pytest.mark.parametrize(("named", "pause"), [(-1, FIRST_MS), (0, 0), (40_000, 40_000)])
    async def test_a_named_pause_counts_and_may_be_none(self, permits: Permits, named: int, pause: int) -> None:
        assert await permits.release("0:a:1", LIMITED, named) == pause
        assert permits.is_now(await permits.redis.hget(STATE, "paused_until"), pause)

    async def test_failures_in_a_row_begin_a_pause_and_an_answer_ends_the_row(self, permits: Permits) -> None:
        results = (FAILED, FAILED, ANSWERED, FAILED, FAILED, UNKNOWN, FAILED)
        found = [await permits.release("0:a:1", result) for result in results]
        assert found == [0, 0, 0, 0, 0, 0, FIRST_MS]
        assert await permits.redis.hmget(STATE, ["failures", "pauses", "epoch"]) == ["0", "1", "1"]

    @pytest.mark.parametrize(
        ("result", "named", "is_moved"),
        [(LIMITED, 60_000, True), (LIMITED, 20_000, False), (LIMITED, -1, False), (FAILED, 60_000, False)],
    )
    async def test_a_permit_from_before_the_pause_only_lengthens_it_by_name(
        self, permits: Permits, *, result: str, named: int, is_moved: bool
    ) -> None:
        until = await permits.now() + 40_000
        await permits.redis.hset(STATE, mapping={"paused_until": str(until), "pauses": "1", "epoch": "2"})
        assert await permits.release("1:a:1", result, named) == 0
        found, message, pauses, epoch = await permits.redis.hmget(STATE, ["paused_until", "message", "pauses", "epoch"])
        assert permits.is_now(found, named) if is_moved else found == str(until)
        assert (message, pauses, epoch) == ("why" if is_moved else None, "1", "2")
        await permits.release("1:a:1", ANSWERED)
        assert await permits.redis.hget(STATE, "pauses") == "1"


class TestRenewAndRelease:
    async def test_a_released_permit_stays_in_the_window(self, permits: Permits) -> None:
        await permits.put(HELD, _0_a_1=9_000, _0_a_2=9_001)
        await permits.redis.hset(STATE, "trial", "0:a:2")
        await permits.release("0:a:1", ANSWERED)
        assert (await permits.names(HELD), await permits.names(RECENT)) == (["0:a:2"], ["0:a:1"])
        assert permits.is_now(await permits.redis.zscore(RECENT, "0:a:1"), LEAVES_MS)
        assert await permits.redis.hget(STATE, "trial") == "0:a:2"

    async def test_a_renewed_permit_has_a_new_lease_and_a_released_one_does_not_come_back(
        self, permits: Permits
    ) -> None:
        await permits.put(HELD, _0_a_1=-1)
        answers = await permits.run(("renew", "0:a:1"), ("renew", "0:a:2"), ("acquire", 3))
        assert answers == [["ok", "0", ""], ["ok", "0", ""], ["ok", "0:a:3", ""]]
        assert await permits.names(HELD) == ["0:a:1", "0:a:3"]
        assert permits.is_now(await permits.redis.zscore(HELD, "0:a:1"), LEASE_MS)
