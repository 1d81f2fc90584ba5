"""Each Lua script of the job store, called directly: what it answers, and what it leaves in Redis."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from kaboom.jobs.model import Pace
from kaboom.jobs.records import dump_json
from kaboom.jobs.redis import keys
from tests.fixtures.jobs.jobs import QUEUE
from tests.fixtures.jobs.scripts import (
    DAY_S,
    DISPATCH_MS,
    HOUR_MS,
    LEASE_MS,
    TALLY,
    Fields,
    Scripts,
    open_scripts,
    queued_chunk,
)

pytestmark = pytest.mark.anyio

LEASES, DISPATCH, RETRIES = keys.leases(QUEUE), keys.dispatch(QUEUE), keys.retries(QUEUE)
FINAL = ("completed", "partial", "failed", "cancelled")


@pytest.fixture
async def scripts(redis_url: str) -> AsyncIterator[Scripts]:
    """The scripts on an emptied database."""
    async with open_scripts(redis_url) as opened:
        yield opened


class TestPut:
    async def put(self, scripts: Scripts, *chunks: Fields, status: str = "queued", kept: int = 3) -> int:
        job = dump_json({"job_id": scripts.id, "status": status, "owner": "me"})
        return int(await scripts.run("put", scripts.id, DISPATCH_MS, kept, job, dump_json(chunks)))

    async def test_a_job_is_written_listed_and_announced(self, scripts: Scripts) -> None:
        assert await self.put(scripts, queued_chunk("plan")) == 1
        assert await scripts.get("status", "owner", "version", "cancel") == ["queued", "me", "1", None]
        assert scripts.is_now(await scripts.get("updated_at"))
        assert scripts.is_now(await scripts.redis.zscore(keys.active(QUEUE), scripts.id))
        assert scripts.is_now(await scripts.score(DISPATCH, "plan"), DISPATCH_MS)
        assert await scripts.said() == [("status", "queued")]
        assert [event["d"] for event in await scripts.entries(keys.CHANGES)] == [scripts.job]
        assert await scripts.of_chunk("plan", "state", "size", "spec", "attempts") == ["queued", "4", "spec plan", "0"]
        assert await scripts.get("total", "chunks_total") == [None, None]

    async def test_a_second_put_is_refused_and_writes_nothing(self, scripts: Scripts) -> None:
        await self.put(scripts, queued_chunk("plan"))
        before = await scripts.redis.hgetall(scripts.job)
        assert await self.put(scripts, queued_chunk("0"), status="running") == 0
        assert await scripts.redis.hgetall(scripts.job) == before
        assert await scripts.of_chunk("0", "state") is None
        assert await scripts.said() == [("status", "queued")]

    async def test_the_newest_job_is_first_once_and_the_oldest_falls_out(self, scripts: Scripts) -> None:
        await scripts.redis.rpush(keys.newest(QUEUE), "j4", "j1", "j3", "j1", "j2")
        await self.put(scripts, queued_chunk("plan"), kept=3)
        assert await scripts.redis.lrange(keys.newest(QUEUE), 0, -1) == ["j1", "j4", "j3"]

    async def test_a_restored_job_counts_its_chunks_and_what_they_settled(self, scripts: Scripts) -> None:
        tally = dump_json({"cursor": 3, "done": 2, "failed": 1, "written": 2, "rows": 20, "outcomes": {"ok": 2}})
        ended = queued_chunk("0", "done", tally=tally, attempts=2, runs="[1]")
        await self.put(scripts, queued_chunk("plan", "done"), ended, queued_chunk("1"), status="running")
        names = ("total", "chunks_total", "chunks_done", "done", "failed", "written", "rows", "outcome:ok")
        assert await scripts.get(*names) == ["8", "2", "1", "2", "1", "2", "20", "2"]
        assert await scripts.of_chunk("0", "state", "attempts", "runs") == ["done", "2", "[1]"]
        assert (await scripts.places("0"), await scripts.places("1")) == ("", "dispatch")
        assert await scripts.get("status", "completed_at") == ["running", None]

    async def test_a_job_restored_while_cancelling_ends_and_sends_nothing(self, scripts: Scripts) -> None:
        await self.put(scripts, queued_chunk("plan", "done"), queued_chunk("0"), status="cancelling")
        assert await scripts.get("status", "cancel", "cancelled") == ["cancelled", "1", "4"]
        assert (await scripts.places("0"), await scripts.of_chunk("0", "state")) == ("", "cancelled")

    @pytest.mark.parametrize("end", ["done", "dead", "cancelled"])
    async def test_a_job_whose_chunks_ended_is_final_at_once(self, scripts: Scripts, end: str) -> None:
        await self.put(scripts, queued_chunk("plan", "done"), queued_chunk("0", end), status="running")
        assert await scripts.get("status") == {"done": "completed", "dead": "failed", "cancelled": "completed"}[end]

    async def test_a_restored_dead_chunk_says_why(self, scripts: Scripts) -> None:
        dead = queued_chunk("0", "dead", tally='{"cause":"disk full"}')
        await self.put(scripts, queued_chunk("plan", "done"), dead, status="running")
        error = orjson.loads(await scripts.get("error"))
        assert error["message"] == "4 of 4 items failed; first cause: disk full"

    async def test_streams_are_trimmed(self, scripts: Scripts) -> None:
        async with scripts.redis.pipeline(transaction=False) as pipe:
            for key, count in ((scripts.events, 800), (keys.CHANGES, 5300)):
                for _ in range(count):
                    pipe.xadd(key, {"t": "x", "d": "x"})
            await pipe.execute()
        await self.put(scripts, queued_chunk("plan"))
        assert 500 <= await scripts.redis.xlen(scripts.events) < 700
        assert 5000 <= await scripts.redis.xlen(keys.CHANGES) < 5200


class TestClaim:
    async def claim(self, scripts: Scripts, n: str = "0", owner: str = "w2", nonce: str = "bb") -> list[Any]:
        return list(await scripts.run("claim", scripts.id, n, owner, LEASE_MS, nonce))

    async def queued(self, scripts: Scripts, **fields: str | int) -> None:
        job: Fields = {"status": "queued", "version": 1, "task": "t", "request": "{}", "plan": "{1}", "owner": "me"}
        await scripts.set(**(job | fields))
        await scripts.chunk("0", state="queued", size=4, spec="spec 0", attempts=0)
        for key in (DISPATCH, RETRIES):
            await scripts.redis.zadd(key, {f"{scripts.id}|0": 1, "other|0": 1})

    async def test_a_claim_takes_the_chunk_and_says_what_to_do(self, scripts: Scripts) -> None:
        await self.queued(scripts)
        await scripts.chunk("0", tally=TALLY, waits=2)
        word, fence, attempts, *rest = await self.claim(scripts)
        assert (word, attempts, rest) == ("ok", 1, ["spec 0", TALLY, "t", "{}", "{1}", 2, "me"])
        number, nonce = fence.split(":")
        assert (nonce, scripts.is_now(number)) == ("bb", True)
        assert await scripts.of_chunk("0", "state", "fence", "owner", "attempts") == ["running", fence, "w2", "1"]
        assert await scripts.places() == "leases"
        assert scripts.is_now(await scripts.score(LEASES), LEASE_MS)
        assert await scripts.redis.zcard(DISPATCH) == await scripts.redis.zcard(RETRIES) == 1
        (run,) = await scripts.runs()
        assert scripts.is_now(run.pop("started_at"))
        assert run == {"run": 1, "worker": "w2", "settled_before": 1, "failed_before": 0}
        assert await scripts.get("status", "version") == ["running", "2"]
        assert scripts.is_now(await scripts.get("started_at"))
        assert await scripts.said() == [("status", "running")]

    async def test_a_fence_is_above_the_last_one_whatever_the_clock_says(self, scripts: Scripts) -> None:
        await self.queued(scripts, fence=9_000_000_000_000)
        assert (await self.claim(scripts))[1] == "9000000000001:bb"
        assert await scripts.get("fence") == "9000000000001"

    async def test_a_claim_of_a_running_job_announces_nothing(self, scripts: Scripts) -> None:
        await self.queued(scripts, status="running", started_at=5)
        await self.claim(scripts)
        assert (await scripts.get("started_at", "version"), await scripts.said()) == (["5", "1"], [])

    async def test_the_same_call_again_gets_the_same_answer(self, scripts: Scripts) -> None:
        await self.queued(scripts)
        await scripts.chunk("0", tally=TALLY, waits=2)
        first = await self.claim(scripts)
        assert await self.claim(scripts) == first
        assert (await scripts.of_chunk("0", "attempts"), len(await scripts.runs())) == ("1", 1)

    async def test_another_call_finds_it_busy_also_after_its_lease(self, scripts: Scripts) -> None:
        await self.queued(scripts)
        await self.claim(scripts)
        await scripts.redis.zadd(LEASES, {f"{scripts.id}|0": 1})
        assert await self.claim(scripts, nonce="cc") == ["busy"]
        assert await scripts.of_chunk("0", "attempts", "owner") == ["1", "w2"]

    @pytest.mark.parametrize("status", FINAL)
    async def test_a_final_job_says_stop(self, scripts: Scripts, status: str) -> None:
        await self.queued(scripts, status=status)
        assert await self.claim(scripts) == ["stop"]
        assert await self.claim(scripts, "9") == ["stop"]

    @pytest.mark.parametrize("state", ["done", "dead", "cancelled"])
    async def test_an_ended_chunk_is_a_duplicate_also_of_a_cancelled_job(self, scripts: Scripts, state: str) -> None:
        await self.queued(scripts, status="cancelling", cancel=1)
        await scripts.chunk("0", state=state)
        assert await self.claim(scripts) == ["duplicate"]
        assert await scripts.of_chunk("0", "attempts") == "0"

    async def test_a_chunk_whose_job_redis_lost_is_gone(self, scripts: Scripts) -> None:
        await self.queued(scripts)
        await scripts.redis.delete(scripts.job)
        assert await self.claim(scripts) == ["gone"]

    async def test_a_cancelled_job_says_stop_and_an_unknown_chunk_is_gone(self, scripts: Scripts) -> None:
        assert await self.claim(scripts) == ["gone"]
        await self.queued(scripts, status="cancelling", cancel=1)
        assert await self.claim(scripts, "9") == ["gone"]
        assert await self.claim(scripts) == ["stop"]
        assert await scripts.of_chunk("0", "attempts", "state") == ["0", "queued"]
        assert await scripts.redis.exists(LEASES) == 0

    @pytest.mark.parametrize(
        ("started", "paused_ms", "rate_ms", "expected"),
        [
            (None, None, -60_000, "5"),
            (1, None, -60_000, None),
            (1, -10_000, -60_000, "5"),
            (1, 500, -60_000, "5"),
            (1, 1_900, -60_000, None),
            (1, -60_000, -10_000, None),
        ],
    )
    async def test_the_rate_begins_anew_with_the_job_and_after_a_pause(
        self, scripts: Scripts, started: int | None, paused_ms: int | None, rate_ms: int, expected: str | None
    ) -> None:
        now = await scripts.now()
        await self.queued(scripts, status="running", done=3, failed=2, rate_at=now + rate_ms)
        if started is not None:
            await scripts.set(started_at=started)
        if paused_ms is not None:
            await scripts.set(paused_until=now + paused_ms)
        await self.claim(scripts)
        rate_at, settled = await scripts.get("rate_at", "rate_settled")
        assert (scripts.is_now(rate_at), settled) == (expected is not None, expected)

    async def test_the_newest_twenty_runs_are_kept_and_numbered_on(self, scripts: Scripts) -> None:
        await self.queued(scripts)
        await scripts.chunk("0", runs=dump_json([{"run": n, "ended_at": 1} for n in range(3, 22)]))
        for first, nonce in ((3, "bb"), (4, "cc")):
            await scripts.chunk("0", state="queued")
            await self.claim(scripts, nonce=nonce)
            assert [run["run"] for run in await scripts.runs()] == list(range(first, first + 20))


class TestBeat:
    async def beat(self, scripts: Scripts, tally: str = TALLY, *, fence: str = "7:aa", n: str = "0") -> str:
        return str(await scripts.run("beat", scripts.id, n, fence, LEASE_MS, tally))

    async def test_a_beat_extends_the_lease_and_counts(self, scripts: Scripts) -> None:
        await scripts.running()
        assert await self.beat(scripts) == "ok"
        assert scripts.is_now(await scripts.score(LEASES), LEASE_MS)
        assert await scripts.get("done", "failed", "version") == ["1", None, "2"]
        assert await scripts.of_chunk("0", "tally") == TALLY
        assert scripts.is_now(await scripts.get("updated_at"))
        assert scripts.is_now(await scripts.get("event_at"))

    @pytest.mark.parametrize("age_ms", [0, 300, 500])
    async def test_progress_is_announced_twice_a_second_at_most(self, scripts: Scripts, age_ms: int) -> None:
        await scripts.running()
        said_at = await scripts.now() - age_ms
        await scripts.set(total=8, failed=2, event_at=said_at)
        await self.beat(scripts)
        is_said = int(await scripts.get("updated_at")) - said_at >= 500
        assert await scripts.said() == ([("progress", "1/2/8")] if is_said else [])
        assert await scripts.get("version") == ("2" if is_said else "1")

    async def test_a_repeated_tally_counts_once_and_a_smaller_one_is_taken_back(self, scripts: Scripts) -> None:
        await scripts.running()
        tally = {"cursor": 3, "done": 2, "failed": 1, "written": 2, "rows": 20, "outcomes": {"ok": 2, "bad": 1}}
        full = dump_json(tally | {"counts": {"flag": 4}, "cause": "first"})
        names = ("done", "failed", "written", "rows", "outcome:ok", "outcome:bad", "count:flag", "cause")
        for _ in range(2):
            await self.beat(scripts, full)
            assert await scripts.get(*names) == ["2", "1", "2", "20", "2", "1", "4", "first"]
        await self.beat(scripts, dump_json({"cursor": 1, "done": 1, "outcomes": {"ok": 1}, "cause": "second"}))
        assert await scripts.get(*names) == ["1", "0", "0", "0", "1", "0", "0", "first"]

    async def test_two_chunks_add_up(self, scripts: Scripts) -> None:
        for n in ("0", "1"):
            await scripts.running(n)
            await self.beat(scripts, n=n)
        assert await scripts.get("done") == "2"

    async def test_a_plan_step_reports_only_that_it_lives(self, scripts: Scripts) -> None:
        await scripts.running("plan")
        assert await self.beat(scripts, n="plan") == "ok"
        assert scripts.is_now(await scripts.get("updated_at"))
        assert (await scripts.get("done"), await scripts.of_chunk("plan", "tally")) == (None, None)

    async def test_a_cancelled_job_says_so(self, scripts: Scripts) -> None:
        await scripts.running()
        await scripts.set(cancel=1)
        assert await self.beat(scripts) == "cancel"

    @pytest.mark.parametrize(("fence", "state"), [("7:ab", "running"), ("7", "running"), ("7:aa", "queued")])
    async def test_another_claim_is_lost_and_changes_nothing(self, scripts: Scripts, fence: str, state: str) -> None:
        await scripts.running(state=state)
        before = await scripts.redis.hgetall(scripts.chunks), await scripts.score(LEASES)
        assert await self.beat(scripts, fence=fence) == "lost"
        assert (await scripts.redis.hgetall(scripts.chunks), await scripts.score(LEASES)) == before
        assert await scripts.get("done", "version") == [None, "1"]

    @pytest.mark.parametrize(
        ("state", "returns", "given"),
        [("queued", 0, 1), ("running", 9, 1), ("queued", 10, 0), ("done", 0, 0), ("dead", 0, 0)],
    )
    async def test_the_attempt_of_a_process_that_comes_back_is_given_back(
        self, scripts: Scripts, state: str, returns: int, given: int
    ) -> None:
        lapses = [{"fence": "5:aa", "owner": "w1", "seen": "gone"}, {"fence": "6:aa", "owner": "w2", "seen": "gone"}]
        await scripts.running(state=state, fence="7:aa", attempts=3, returns=returns, lapses=dump_json(lapses))
        for _ in range(2):
            assert await self.beat(scripts, fence="6:aa") == "lost"
            kept, count, attempts = await scripts.of_chunk("0", "lapses", "returns", "attempts")
            fences = [lapse["fence"] for lapse in orjson.loads(kept)]
            assert fences == (["5:aa"] if given else ["5:aa", "6:aa"])
            assert (count, attempts) == (str(returns + given), str(3 - given))

    async def test_the_pace_is_taken_from_samples_half_a_second_apart(self, scripts: Scripts) -> None:
        await scripts.running()
        await scripts.set(rate_at=await scripts.now() + 10_000)
        await self.beat(scripts, '{"cursor":1,"done":1}')
        assert await scripts.get("rate") is None
        pace = None
        for items in (4, 24, 30):
            began = await scripts.now() - 10_000
            await scripts.set(rate_at=began)
            before = int(await scripts.get("rate_settled") or 0)
            await self.beat(scripts, dump_json({"cursor": items, "done": items - 1, "failed": 1}))
            rate, spread, at, settled = await scripts.get("rate", "rate_spread", "rate_at", "rate_settled")
            assert (settled, scripts.is_now(at)) == (str(items), True)
            seconds = (int(at) - began) / 1000
            pace = pace.after(items - before, seconds) if pace else Pace((items - before) / seconds)
            assert float(rate) == pytest.approx(pace.rate, rel=1e-3)
            assert float(spread or 0) == pytest.approx(pace.spread or 0, rel=1e-3)

    @pytest.mark.parametrize("field", ["rate_at", "started_at"])
    async def test_the_first_sample_is_of_half_a_second_at_least(self, scripts: Scripts, field: str) -> None:
        await scripts.running()
        began = await scripts.now() - 600
        await scripts.set(**{field: began})
        await self.beat(scripts)
        rate, at, settled = await scripts.get("rate", "rate_at", "rate_settled")
        assert float(rate) == pytest.approx(1000 / (int(at) - began), rel=1e-3)
        assert settled == "1"


class TestLogAndSettle:
    async def test_lines_are_appended_in_order_and_trimmed(self, scripts: Scripts) -> None:
        assert await scripts.run("log", "late") == 0
        assert await scripts.redis.exists(scripts.logs) == 0
        await scripts.set(status="running")
        async with scripts.redis.pipeline(transaction=False) as pipe:
            for _ in range(1400):
                pipe.xadd(scripts.logs, {"t": "line", "d": "old"})
            await pipe.execute()
        assert await scripts.run("log", "a", "b") == 2
        assert 1000 <= await scripts.redis.xlen(scripts.logs) < 1200
        assert (await scripts.entries(scripts.logs))[-2:] == [{"t": "line", "d": "a"}, {"t": "line", "d": "b"}]
        assert await scripts.redis.ttl(scripts.logs) == -1

    @pytest.mark.parametrize("status", FINAL)
    async def test_the_log_of_a_final_job_expires_after_a_week(self, scripts: Scripts, status: str) -> None:
        await scripts.set(status=status)
        await scripts.run("log", "a")
        assert 7 * DAY_S - 60 < await scripts.redis.ttl(scripts.logs) <= 7 * DAY_S

    async def test_a_job_is_settled_only_by_the_end_that_it_has(self, scripts: Scripts) -> None:
        await scripts.set(status="completed", completed_at=5)
        await scripts.redis.zadd(keys.active(QUEUE), {scripts.id: 1, "other": 1})
        for ended in ("4", "", "50"):
            assert await scripts.run("settle", scripts.id, ended) == 0
        assert await scripts.redis.zcard(keys.active(QUEUE)) == 2
        assert [await scripts.run("settle", scripts.id, "5") for _ in range(2)] == [1, 0]
        assert await scripts.redis.zrange(keys.active(QUEUE), 0, -1) == ["other"]


class TestForget:
    async def test_nothing_of_the_job_is_left_and_all_of_the_others(self, scripts: Scripts) -> None:
        other = Scripts(scripts.redis, "j2")
        for each in (other, scripts):
            await each.set(status="running")
            await each.redis.rpush(keys.newest(QUEUE), each.id)
            await each.redis.zadd(keys.active(QUEUE), {each.id: 1})
            for key in (each.events, each.logs):
                await each.redis.xadd(key, {"t": "x", "d": "x"})
            for n, key in (("plan", LEASES), ("0", DISPATCH), ("1", RETRIES)):
                await each.chunk(n, state="queued")
                await each.redis.zadd(key, {f"{each.id}|{n}": 1})
        assert await scripts.run("forget", scripts.id) == 1
        assert await scripts.redis.exists(scripts.job, scripts.chunks, scripts.events, scripts.logs) == 0
        assert await scripts.redis.exists(other.job, other.chunks, other.events, other.logs) == 4
        assert await scripts.redis.lrange(keys.newest(QUEUE), 0, -1) == ["j2"]
        assert await scripts.redis.zrange(keys.active(QUEUE), 0, -1) == ["j2"]
        for key in (LEASES, DISPATCH, RETRIES):
            assert await scripts.redis.zcard(key) == 1


class TestDueAndRetries:
    async def given(self, scripts: Scripts, key: str) -> None:
        now = await scripts.now()
        for job_id, status in (("a", "running"), ("b", "running"), ("c", "running"), ("e", "completed")):
            await Scripts(scripts.redis, job_id).set(status=status)
        ages = {"c|0": -HOUR_MS, "b|plan": 9_000, "a|0": 12_000, "gone|0": 20_000, "e|0": 15_000}
        await scripts.redis.zadd(key, {member: now - age for member, age in ages.items()})

    async def test_due_takes_what_is_old_enough_puts_it_off_and_drops_the_lost(self, scripts: Scripts) -> None:
        await self.given(scripts, DISPATCH)
        assert await scripts.run("due", DISPATCH_MS, 10_000, 9, keys_of="") == ["e|0", "a|0"]
        assert scripts.is_now(await scripts.redis.zscore(DISPATCH, "a|0"), DISPATCH_MS)
        assert await scripts.redis.zrange(DISPATCH, 0, -1) == ["b|plan", "a|0", "e|0", "c|0"]
        assert await scripts.run("due", DISPATCH_MS, 0, 9, keys_of="") == ["b|plan"]

    async def test_due_takes_no_more_than_its_limit_the_oldest_first(self, scripts: Scripts) -> None:
        await self.given(scripts, DISPATCH)
        found = [await scripts.run("due", DISPATCH_MS, 0, 2, keys_of="") for _ in range(3)]
        assert found == [["e|0"], ["a|0", "b|plan"], []]

    async def test_retries_takes_what_may_run_and_drops_what_is_over(self, scripts: Scripts) -> None:
        await self.given(scripts, RETRIES)
        assert await scripts.run("retries", DISPATCH_MS, 9, keys_of="") == ["a|0", "b|plan"]
        assert scripts.is_now(await scripts.redis.zscore(RETRIES, "a|0"), DISPATCH_MS)
        assert await scripts.redis.zrange(RETRIES, 0, -1) == ["a|0", "b|plan", "c|0"]
        assert await scripts.run("retries", DISPATCH_MS, 9, keys_of="") == []

    async def test_retries_takes_no_more_than_its_limit(self, scripts: Scripts) -> None:
        await self.given(scripts, RETRIES)
        assert [await scripts.run("retries", DISPATCH_MS, 3, keys_of="") for _ in range(2)] == [["a|0"], ["b|plan"]]
