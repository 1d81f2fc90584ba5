"""The Lua scripts that end chunks and jobs, called directly: what they answer, and what they leave in Redis."""

from collections.abc import AsyncIterator

import orjson
import pytest

from kaboom.jobs.records import dump_json
from kaboom.jobs.redis import keys
from tests.fixtures.jobs.jobs import QUEUE
from tests.fixtures.jobs.scripts import DAY_S, DISPATCH_MS, RETRY_MS, Fields, Scripts, open_scripts, queued_chunk

pytestmark = pytest.mark.anyio

LEASES, RETRIES = keys.leases(QUEUE), keys.retries(QUEUE)
FULL = '{"cursor":4,"done":4,"written":4}'
LAPSE = {"fence": "5:aa", "owner": "w1", "seen": "its worker died"}


@pytest.fixture
async def scripts(redis_url: str) -> AsyncIterator[Scripts]:
    """The scripts on an emptied database."""
    async with open_scripts(redis_url) as opened:
        yield opened


async def assert_ended(scripts: Scripts, n: str = "0") -> None:
    """Check that a chunk waits nowhere."""
    assert await scripts.places(n) == ""


class TestEnd:
    @pytest.mark.parametrize(
        ("tally", "status"),
        [
            (FULL, "completed"),
            ('{"cursor":4,"done":3,"failed":1,"written":1}', "partial"),
            ('{"cursor":4,"done":3,"failed":1,"cause":"first"}', "failed"),
            ('{"cursor":4,"done":4}', "completed"),
        ],
    )
    async def test_the_last_chunk_ends_the_job(self, scripts: Scripts, tally: str, status: str) -> None:
        await scripts.running()
        await scripts.planned(1)
        for key in (keys.dispatch(QUEUE), RETRIES):
            await scripts.redis.zadd(key, {f"{scripts.id}|0": 1})
        word, verdict, final, runs = await scripts.end("done", tally)
        assert (word, verdict, final) == ("ok", "done", status)
        assert await scripts.get("status", "chunks_done") == [status, "1"]
        assert scripts.is_now(await scripts.get("completed_at"))
        assert scripts.is_now(await scripts.get("updated_at"))
        assert await scripts.of_chunk("0", "state", "tally") == ["done", tally]
        await assert_ended(scripts)
        (run,) = await scripts.runs()
        assert orjson.loads(runs) == [run]
        assert scripts.is_now(run["ended_at"])
        assert (run["ending"], run["settled"], run.get("reason"), run.get("paused_until")) == ("done", 4, None, None)
        assert await scripts.said() == [("status", status)]
        failed = {"completed": "", "partial": "1 of 4 items failed"}
        failed["failed"] = "1 of 4 items failed; first cause: first"
        assert orjson.loads(await scripts.get("error") or '{"message":""}')["message"] == failed[status]

    async def test_what_is_final_expires(self, scripts: Scripts) -> None:
        await scripts.running()
        await scripts.planned(1)
        await scripts.redis.xadd(scripts.logs, {"t": "x"})
        await scripts.end("done", FULL)
        week, month = 7 * DAY_S, 30 * DAY_S
        for key, kept in ((scripts.job, month), (scripts.chunks, week), (scripts.events, week), (scripts.logs, week)):
            assert kept - 60 < await scripts.redis.ttl(key) <= kept, key
        assert await scripts.redis.ttl(keys.CHANGES) == -1

    @pytest.mark.parametrize(("total", "plan"), [(2, "done"), (1, "running")])
    async def test_a_job_whose_other_chunks_or_plan_run_goes_on(self, scripts: Scripts, total: int, plan: str) -> None:
        await scripts.running()
        await scripts.planned(total)
        await scripts.chunk("plan", state=plan)
        assert (await scripts.end("done", FULL))[:3] == ["ok", "done", ""]
        assert await scripts.get("status", "version", "completed_at") == ["running", "2", None]
        assert await scripts.redis.ttl(scripts.job) == await scripts.redis.ttl(scripts.chunks) == -1

    async def test_the_same_end_again_gets_the_same_answer_and_counts_once(self, scripts: Scripts) -> None:
        await scripts.running()
        await scripts.planned(1)
        first = await scripts.end("done", FULL)
        assert await scripts.end("done", FULL) == first
        assert await scripts.get("done", "chunks_done", "version") == ["4", "1", "3"]
        assert (await scripts.end("done", FULL, fence="8:aa"))[0] == "stale"
        assert (await scripts.end("cancelled", FULL))[0] == "stale"

    @pytest.mark.parametrize("ending", ["done", "failed", "broken", "released", "waiting", "cancelled"])
    async def test_another_claim_is_stale_and_changes_nothing(self, scripts: Scripts, ending: str) -> None:
        await scripts.running()
        await scripts.planned(1)
        before = await scripts.redis.hgetall(scripts.chunks), await scripts.redis.hgetall(scripts.job)
        assert await scripts.end(ending, FULL, fence="7:ab") == ["stale", "", "", "[]"]
        assert (await scripts.redis.hgetall(scripts.chunks), await scripts.redis.hgetall(scripts.job)) == before
        assert await scripts.places() == "leases"

    async def test_a_stale_end_gives_its_attempt_back(self, scripts: Scripts) -> None:
        await scripts.running(attempts=2, lapses=dump_json([LAPSE]))
        await scripts.end("done", FULL, fence="5:aa")
        assert await scripts.of_chunk("0", "attempts", "returns") == ["1", "1"]

    @pytest.mark.parametrize(("ending", "waits"), [("released", None), ("waiting", "1")])
    async def test_a_chunk_handed_back_is_queued_uncounted(
        self, scripts: Scripts, ending: str, waits: str | None
    ) -> None:
        await scripts.running(attempts=2)
        await scripts.planned(1)
        word, verdict, final, runs = await scripts.end(ending, error="429", pause_ms=5_000)
        assert (word, verdict, final) == ("ok", ending, "")
        assert await scripts.of_chunk("0", "state", "attempts", "waits") == ["queued", "1", waits]
        assert (await scripts.places(), scripts.is_now(await scripts.score(RETRIES), 5_000)) == ("retries", True)
        (run,) = orjson.loads(runs)
        assert (run["ending"], run["settled"], run["reason"]) == (ending, 1, "429")
        assert scripts.is_now(run["paused_until"], 5_000)
        assert scripts.is_now(await scripts.get("paused_until"), 5_000)
        assert await scripts.get("pause_reason", "done", "version") == ["429", "1", "2"]
        assert (await scripts.said())[-1][0] == "paused"

    @pytest.mark.parametrize("ending", ["released", "waiting", "broken", "cancelled", "done"])
    async def test_a_chunk_of_a_cancelled_job_ends_with_what_it_left(self, scripts: Scripts, ending: str) -> None:
        await scripts.running()
        await scripts.planned(1)
        await scripts.set(cancel=1, status="cancelling")
        _, verdict, final, _ = await scripts.end(ending, error="429", pause_ms=5_000)
        state = "done" if ending == "done" else "cancelled"
        assert (verdict, final, await scripts.of_chunk("0", "state")) == (state, "cancelled", state)
        assert await scripts.get("cancelled", "paused_until") == [None if ending == "done" else "3", None]
        await assert_ended(scripts)

    @pytest.mark.parametrize(("ending", "name"), [("cancelled", "cancelled"), ("failed", "failed")])
    async def test_one_item_that_is_left_counts(self, scripts: Scripts, ending: str, name: str) -> None:
        await scripts.running(size=2)
        await scripts.planned(1)
        await scripts.set(cancel=int(ending == "cancelled"))
        await scripts.end(ending, most=0)
        assert await scripts.get(name, "chunks_done") == ["1", "1"]

    async def test_a_cancel_that_a_failover_lost_hands_the_chunk_back(self, scripts: Scripts) -> None:
        await scripts.running()
        await scripts.planned(1)
        await scripts.end("cancelled")
        assert await scripts.of_chunk("0", "state", "attempts") == ["queued", "0"]
        assert await scripts.get("cancelled") is None

    @pytest.mark.parametrize(
        ("attempts", "pause_ms", "wait_ms"), [(1, 0, RETRY_MS), (2, 0, 2 * RETRY_MS), (1, 60_000, 60_000)]
    )
    async def test_a_broken_chunk_waits_longer_with_each_attempt(
        self, scripts: Scripts, attempts: int, pause_ms: int, wait_ms: int
    ) -> None:
        await scripts.running(attempts=attempts)
        await scripts.planned(1)
        word, verdict, final, _ = await scripts.end("broken", error="boom", pause_ms=pause_ms)
        assert (word, verdict, final) == ("ok", "queued", "")
        assert await scripts.of_chunk("0", "state", "attempts", "raised") == ["queued", str(attempts), "boom"]
        assert scripts.is_now(await scripts.score(RETRIES), wait_ms)
        assert (await scripts.get("paused_until") is not None) is bool(pause_ms)

    @pytest.mark.parametrize(("ending", "most", "attempts"), [("broken", 3, 3), ("broken", 3, 4), ("failed", 0, 1)])
    async def test_a_chunk_without_attempts_left_is_dead_and_its_rest_lost(
        self, scripts: Scripts, ending: str, most: int, attempts: int
    ) -> None:
        await scripts.running(attempts=attempts)
        await scripts.planned(1)
        answer = await scripts.end(ending, error="boom", most=most)
        assert answer[:3] == ["ok", "dead", "failed"]
        assert await scripts.get("failed", "dead", "done", "outcome:lost") == ["3", "1", "1", "3"]
        given_up = f"given up after {attempts} attempt{'s' if attempts > 1 else ''}: boom"
        assert await scripts.of_chunk("0", "state", "error") == ["dead", given_up]
        assert orjson.loads(await scripts.get("error")) == {
            "type": "items_failed",
            "message": f"3 of 4 items failed; first cause: {given_up}",
        }
        await assert_ended(scripts)
        if ending == "failed":
            assert await scripts.end(ending, error="boom", most=most) == answer

    async def test_the_items_of_a_dead_chunk_have_the_job_s_word_and_the_first_cause_stands(
        self, scripts: Scripts
    ) -> None:
        await scripts.running()
        await scripts.planned(2)
        await scripts.set(lost_item="write_failed", dead_cause="the first")
        await scripts.end("failed", '{"cursor":4,"done":4}', error="boom", most=0)
        assert await scripts.get("dead", "failed") == ["1", None]
        await scripts.running("1")
        await scripts.end("failed", n="1", error="boom", most=0)
        assert await scripts.get("dead", "outcome:write_failed", "dead_cause") == ["2", "3", "the first"]

    @pytest.mark.parametrize(
        ("kept_ms", "pause_ms"), [(None, 1_000), (None, 1_001), (60_000, 61_500), (60_000, 60_500), (60_000, 30_000)]
    )
    async def test_a_pause_is_noted_if_it_lasts_more_than_a_second_longer(
        self, scripts: Scripts, kept_ms: int | None, pause_ms: int
    ) -> None:
        await scripts.running()
        await scripts.planned(1)
        kept = 0 if kept_ms is None else await scripts.now() + kept_ms
        await scripts.set(paused_until=kept)
        await scripts.end("released", error="429", pause_ms=pause_ms)
        ends = await scripts.score(RETRIES) or 0.0
        is_moved = pause_ms > 1_000 and ends > kept + 1_000
        assert int(await scripts.get("paused_until")) == (ends if is_moved else kept)
        assert await scripts.said() == ([("paused", f"{ends:.0f}")] if is_moved else [])

    async def test_a_plan_step_is_not_counted_and_fails_the_job_when_it_is_given_up(self, scripts: Scripts) -> None:
        await scripts.running("plan", attempts=3)
        answer = await scripts.end("broken", '{"cursor":1,"done":1}', n="plan", error="boom")
        assert answer[:3] == ["ok", "dead", "failed"]
        assert await scripts.get("status", "done", "dead", "chunks_done") == ["failed", None, None, None]
        assert orjson.loads(await scripts.get("error")) == {"type": "plan_failed", "message": "boom"}

    async def test_a_run_says_what_it_alone_settled(self, scripts: Scripts) -> None:
        run = {"run": 2, "worker": "w1", "started_at": 1, "settled_before": 1, "failed_before": 1}
        await scripts.running(runs=dump_json([{"run": 1, "ended_at": 9, "ending": "broken"}, run]))
        _, _, _, runs = await scripts.end("done", '{"cursor":4,"done":1,"failed":3}')
        first, last = orjson.loads(runs)
        assert (first, last["settled"], last["failed"]) == ({"run": 1, "ended_at": 9, "ending": "broken"}, 3, 2)


class TestExpire:
    async def expire(self, scripts: Scripts, n: str = "0", *, fence: str = "7:aa", most: int = 3) -> list[str]:
        return list(await scripts.run("expire", scripts.id, n, most, fence, "its worker died"))

    async def lapsed(self, scripts: Scripts, n: str = "0", **fields: str | int) -> None:
        await scripts.running(n, **fields)
        await scripts.redis.zadd(LEASES, {f"{scripts.id}|{n}": await scripts.now() - 1})

    async def test_a_chunk_whose_lease_ran_out_is_queued_at_once(self, scripts: Scripts) -> None:
        await self.lapsed(scripts)
        await scripts.planned(1)
        assert await self.expire(scripts) == ["queued", ""]
        assert await scripts.of_chunk("0", "state", "attempts") == ["queued", "1"]
        assert (await scripts.places(), scripts.is_now(await scripts.score(RETRIES))) == ("retries", True)
        lapse = {"fence": "7:aa", "owner": "w1", "seen": "its worker died"}
        assert orjson.loads(await scripts.of_chunk("0", "lapses")) == [lapse]
        (run,) = await scripts.runs()
        assert (run["ending"], run["reason"], run.get("paused_until")) == ("expired", "its worker died", None)
        assert run["ended_at"] == await scripts.score(RETRIES)
        assert await self.expire(scripts) == ["skip", ""]

    async def test_a_lease_that_lasts_or_another_claim_is_skipped(self, scripts: Scripts) -> None:
        await scripts.running()
        assert await self.expire(scripts) == ["skip", ""]
        await self.lapsed(scripts)
        assert await self.expire(scripts, fence="6:aa") == ["skip", ""]
        assert await scripts.of_chunk("0", "state", "lapses") == ["running", None]
        assert await scripts.places() == "leases"

    @pytest.mark.parametrize("state", ["queued", "done"])
    async def test_a_lease_of_a_chunk_that_does_not_run_is_dropped(self, scripts: Scripts, state: str) -> None:
        await self.lapsed(scripts, state=state)
        assert await self.expire(scripts) == ["skip", ""]
        assert (await scripts.places(), await scripts.of_chunk("0", "state")) == ("", state)

    async def test_the_last_attempt_is_dead_and_says_what_was_seen(self, scripts: Scripts) -> None:
        lapses = [LAPSE, LAPSE | {"seen": "it hung"}]
        await self.lapsed(scripts, attempts=4, owner="w9", lapses=dump_json(lapses), raised="boom")
        await scripts.planned(1)
        assert await self.expire(scripts, most=4) == ["dead", "failed"]
        seen = "in 2 of 4 attempts its worker died (last: w9); in 1 of 4 attempts it hung (last: w1)"
        assert await scripts.of_chunk("0", "error") == f"given up after 4 attempts: boom; {seen}"
        assert await scripts.get("failed", "outcome:lost") == ["4", "4"]

    async def test_a_chunk_of_a_cancelled_job_is_cancelled(self, scripts: Scripts) -> None:
        await self.lapsed(scripts)
        await scripts.planned(1)
        await scripts.set(cancel=1, status="cancelling")
        assert await self.expire(scripts) == ["cancelled", "cancelled"]
        assert await scripts.get("cancelled") == "4"

    async def test_a_plan_step_given_up_fails_the_job(self, scripts: Scripts) -> None:
        await self.lapsed(scripts, "plan", attempts=3)
        assert await self.expire(scripts, "plan") == ["dead", "failed"]
        error = orjson.loads(await scripts.get("error"))
        assert error == {"type": "plan_failed", "message": "in 1 of 3 attempts its worker died (last: w1)"}


class TestCancel:
    async def test_queued_chunks_end_and_a_running_one_is_left(self, scripts: Scripts) -> None:
        await scripts.running()
        await scripts.planned(3)
        for n, key in (("1", keys.dispatch(QUEUE)), ("2", RETRIES)):
            await scripts.chunk(n, state="queued", size=4, tally='{"cursor":1}')
            await scripts.redis.zadd(key, {f"{scripts.id}|{n}": 1})
        assert await scripts.run("cancel", scripts.id) == "cancelling"
        assert await scripts.get("cancel", "cancelled", "chunks_done") == ["1", "6", "2"]
        assert [await scripts.of_chunk(n, "state") for n in "012"] == ["running", "cancelled", "cancelled"]
        assert [await scripts.places(n) for n in "012"] == ["leases", "", ""]
        version = await scripts.get("version")
        assert await scripts.run("cancel", scripts.id) == "cancelling"
        assert (await scripts.get("version", "cancelled"), await scripts.said()) == (
            [version, "6"],
            [("status", "cancelling")],
        )

    async def test_a_job_of_queued_chunks_alone_is_final(self, scripts: Scripts) -> None:
        await scripts.set(status="queued")
        await scripts.chunk("plan", state="queued")
        assert await scripts.run("cancel", scripts.id) == "cancelled"
        assert await scripts.of_chunk("plan", "state") == "cancelled"

    @pytest.mark.parametrize("status", ["completed", "partial", "failed", "cancelled", None])
    async def test_what_is_final_or_unknown_stays(self, scripts: Scripts, status: str | None) -> None:
        if status:
            await scripts.set(status=status)
            await scripts.chunk("0", state="queued")
        assert await scripts.run("cancel", scripts.id) == (status or "")
        assert await scripts.get("status", "cancel") == [status, None]
        assert await scripts.of_chunk("0", "state") == ("queued" if status else None)


class TestPlan:
    async def plan(self, scripts: Scripts, *chunks: Fields, fence: str = "7:aa", result: str = "") -> str:
        return str(await scripts.run("set_plan", scripts.id, fence, DISPATCH_MS, "{2}", dump_json(chunks), result))

    async def test_a_plan_adds_its_chunks(self, scripts: Scripts) -> None:
        await scripts.running("plan")
        done = queued_chunk("1", "done", tally='{"cursor":4,"done":4}')
        assert await self.plan(scripts, queued_chunk("0"), done, result="{3}") == "['ok', '', '']"
        names = ("plan", "result", "chunks_total", "chunks_done", "total", "done", "status")
        assert await scripts.get(*names) == ["{2}", "{3}", "2", "1", "8", "4", "running"]
        assert [await scripts.of_chunk(n, "state") for n in ("plan", "0", "1")] == ["done", "queued", "done"]
        assert [await scripts.places(n) for n in ("plan", "0", "1")] == ["", "dispatch", ""]
        assert scripts.is_now(await scripts.score(keys.dispatch(QUEUE)), DISPATCH_MS)
        assert await scripts.said() == [("progress", "4/0/8")]
        assert [(run["ending"], run.get("paused_until")) for run in await scripts.runs("plan")] == [("done", None)]
        assert await self.plan(scripts, queued_chunk("5")) == "['ok', '', '']"
        assert await scripts.of_chunk("5", "state") is None

    async def test_a_plan_of_nothing_ends_the_job_without_a_result(self, scripts: Scripts) -> None:
        await scripts.running("plan")
        for _ in range(2):
            assert await self.plan(scripts) == "['ok', '', 'completed']"
        assert await scripts.get("status", "result") == ["completed", None]

    async def test_a_plan_of_a_cancelled_job_sends_nothing(self, scripts: Scripts) -> None:
        await scripts.running("plan")
        await scripts.set(cancel=1, status="cancelling")
        done = queued_chunk("1", "done", tally='{"cursor":4,"done":4}')
        assert await self.plan(scripts, queued_chunk("0"), done) == "['ok', '', 'cancelled']"
        assert [await scripts.of_chunk(n, "state") for n in "01"] == ["cancelled", "done"]
        assert await scripts.get("cancelled", "done") == ["4", "4"]

    @pytest.mark.parametrize("script", ["set_plan", "fail"])
    async def test_another_claim_is_stale_and_gives_its_attempt_back(self, scripts: Scripts, script: str) -> None:
        await scripts.running("plan", attempts=2, lapses=dump_json([LAPSE]))
        rest = (DISPATCH_MS, "{2}", dump_json([queued_chunk("0")]), "") if script == "set_plan" else ("{}",)
        for fence in ("6:aa", "5:aa"):
            assert await scripts.run(script, scripts.id, fence, *rest) == ["stale", "", ""]
        assert await scripts.get("plan", "chunks_total", "status", "error") == [None, None, "running", None]
        assert await scripts.of_chunk("plan", "state", "attempts", "returns") == ["running", "1", "1"]


class TestFail:
    async def test_a_plan_that_fails_ends_the_job_with_its_error(self, scripts: Scripts) -> None:
        await scripts.running("plan")
        for _ in range(2):
            assert await scripts.run("fail", scripts.id, "7:aa", '{"type":"no"}') == ["ok", "dead", "failed"]
        assert await scripts.get("status", "error", "version") == ["failed", '{"type":"no"}', "3"]
        assert await scripts.of_chunk("plan", "state") == "dead"
        assert [(run["ending"], run.get("paused_until")) for run in await scripts.runs("plan")] == [("failed", None)]
        assert await scripts.said() == [("status", "failed")]
        await assert_ended(scripts, "plan")

    async def test_a_plan_that_fails_after_a_cancel_is_cancelled_without_an_error(self, scripts: Scripts) -> None:
        await scripts.running("plan")
        await scripts.set(cancel=1, status="cancelling")
        assert await scripts.run("fail", scripts.id, "7:aa", "{}") == ["ok", "dead", "cancelled"]
        assert await scripts.get("error") is None
