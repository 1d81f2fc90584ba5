"""What every schedule store promises: each due time once, with its job, however many fire."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.errors import Conflict, NotFound, StoreError
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.postgres.memory import MemoryJobHistory
from kaboom.jobs.postgres.port import JobHistory, JobQuery, Terms
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from kaboom.schedules.model import MAX_SCHEDULES, Firing, FiringOutcome, MissedPolicy, Schedule, ScheduleStore, Turn
from kaboom.schedules.postgres import PostgresScheduleStore
from kaboom.schedules.store import MemoryScheduleStore
from tests.fixtures.jobs.jobs import OWNER, make_job
from tests.fixtures.jobs.schedules import firing_turn, make_schedule, never_ended

pytestmark = pytest.mark.anyio
UNKNOWN = "f" * 32
LONG_AGO = datetime(2025, 11, 4, 7, 35, tzinfo=UTC)


@dataclass(frozen=True)
class Desk:
    """Two stores on the same schedules, as two processes have them, and their ledger."""

    store: ScheduleStore
    other: ScheduleStore
    history: JobHistory

    async def add_due(self, name: str = "a schedule", at: datetime = LONG_AGO) -> Schedule:
        """Keep a schedule that has been due since long ago."""
        return await self.set_due(await self.store.add(make_schedule(name)), at)

    async def set_due(self, schedule: Schedule, at: datetime = LONG_AGO) -> Schedule:
        """Set a schedule to a due time."""
        return await self.store.change(OWNER, schedule.schedule_id, lambda s, _: replace(s, next_at=at))

    async def jobs(self) -> list[Job]:
        """Return the jobs of the ledger."""
        return await self.history.list_jobs(JobQuery(("ingest",), OWNER, limit=200))


@pytest.fixture(params=["memory", "postgres"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """An empty store, twice."""
    if request.param == "memory":
        memory = MemoryJobHistory()
        store = MemoryScheduleStore(memory)
        yield Desk(store, store, memory)
        return
    url = request.getfixturevalue("database_url")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE jobs, idempotency_keys, schedules CASCADE")
    engines = [connect_postgres(url, application_name="test") for _ in range(2)]
    history = PostgresJobHistory(engines[0])
    yield Desk(PostgresScheduleStore(engines[0]), PostgresScheduleStore(engines[1]), history)
    for engine in engines:
        await engine.dispose()


class TestKeeping:
    async def test_a_new_schedule_is_armed(self, desk: Desk) -> None:
        before = datetime.now(UTC)
        kept = await desk.store.add(make_schedule())
        assert kept.next_at is not None
        assert before - timedelta(minutes=1) < kept.next_at <= before + timedelta(minutes=2)
        assert kept.created_at == kept.updated_at is not None
        assert await desk.other.load(OWNER, kept.schedule_id) == kept

    async def test_a_disabled_one_is_not(self, desk: Desk) -> None:
        assert (await desk.store.add(make_schedule(is_enabled=False))).next_at is None

    async def test_all_that_it_holds_comes_back(self, desk: Desk) -> None:
        values = {"request": {"symbols": ["7203"]}, "missed": MissedPolicy.ALL, "max_late_h": 5}
        kept = await desk.store.add(make_schedule("毎日", **values))
        assert (kept.name, kept.request, kept.missed, kept.max_late_h) == ("毎日", *values.values())

    async def test_schedules_are_listed_by_name(self, desk: Desk) -> None:
        for name in ("b", "A", "a", "日次"):
            await desk.store.add(make_schedule(name))
        await desk.store.add(make_schedule("c", owner="another"))
        assert [s.name for s in await desk.store.list_schedules(OWNER)] == ["A", "a", "b", "日次"]

    async def test_a_name_is_taken_once_for_each_owner(self, desk: Desk) -> None:
        await desk.store.add(make_schedule("daily"))
        await desk.store.add(make_schedule("daily", owner="another"))
        with pytest.raises(Conflict, match="'daily' exists already"):
            await desk.store.add(make_schedule("daily"))
        other = await desk.store.add(make_schedule("nightly"))
        with pytest.raises(Conflict, match="'daily' exists already"):
            await desk.store.change(OWNER, other.schedule_id, lambda s, _: replace(s, name="daily"))
        assert (await desk.store.load(OWNER, other.schedule_id)).name == "nightly"

    async def test_an_owner_has_a_limit(self, desk: Desk) -> None:
        await desk.store.add(make_schedule("of another", owner="another"))
        for n in range(MAX_SCHEDULES):
            await desk.store.add(make_schedule(f"{n}"))
        with pytest.raises(Conflict, match="which is the limit"):
            await desk.store.add(make_schedule("one more"))

    async def test_a_change_is_kept(self, desk: Desk) -> None:
        kept = await desk.store.add(make_schedule())
        changed = await desk.store.change(
            OWNER, kept.schedule_id, lambda s, now: replace(s, name="new", is_enabled=False).rearmed(now)
        )
        assert (changed.name, changed.is_enabled, changed.next_at) == ("new", False, None)
        assert changed.updated_at is not None
        assert kept.updated_at is not None
        assert changed.updated_at > kept.updated_at
        assert await desk.other.load(OWNER, kept.schedule_id) == changed

    async def test_what_is_not_there_or_not_yours_is_not_found(self, desk: Desk) -> None:
        kept = await desk.store.add(make_schedule())
        for owner, schedule_id in ((OWNER, UNKNOWN), ("another", kept.schedule_id)):
            with pytest.raises(NotFound):
                await desk.store.load(owner, schedule_id)
            with pytest.raises(NotFound):
                await desk.store.change(owner, schedule_id, lambda s, _: s)
            with pytest.raises(NotFound):
                await desk.store.fire_now(owner, schedule_id, firing_turn(), has_ended=never_ended)
            with pytest.raises(NotFound):
                await desk.store.delete(owner, schedule_id)
        assert await desk.store.list_schedules(OWNER) == [kept]
        assert await desk.store.list_firings(kept.schedule_id, limit=9) == []

    async def test_a_deleted_one_is_gone_with_its_firings_and_its_jobs_stay(self, desk: Desk) -> None:
        kept = await desk.add_due()
        await desk.store.fire_due(firing_turn(), has_ended=never_ended)
        await desk.store.delete(OWNER, kept.schedule_id)
        assert await desk.store.list_schedules(OWNER) == []
        assert await desk.store.list_firings(kept.schedule_id, limit=9) == []
        assert len(await desk.jobs()) == 1


class TestFiring:
    async def test_what_is_not_due_or_disabled_does_not_fire(self, desk: Desk) -> None:
        await desk.store.add(make_schedule("later"))
        off = await desk.add_due(name="off")
        await desk.store.change(OWNER, off.schedule_id, lambda s, _: replace(s, is_enabled=False))
        assert await desk.store.fire_due(firing_turn(), has_ended=never_ended) is None

    async def test_a_firing_is_kept_with_its_job(self, desk: Desk) -> None:
        kept = await desk.add_due()
        fired = await desk.store.fire_due(firing_turn(), has_ended=never_ended)
        assert fired is not None
        assert fired.admission is not None
        after = await desk.other.load(OWNER, kept.schedule_id)
        assert (after.last_at, after.last_job_id) == (LONG_AGO, fired.admission.job.job_id)
        assert after.next_at is not None
        assert after.next_at > datetime.now(UTC) - timedelta(minutes=1)
        assert await desk.other.list_firings(kept.schedule_id, limit=9) == [fired.firing]
        assert (fired.firing.outcome, fired.firing.due_at) == (FiringOutcome.FIRED, LONG_AGO)
        assert [job.job_id for job in await desk.jobs()] == [fired.firing.job_id]

    async def test_what_has_been_due_longest_is_first(self, desk: Desk) -> None:
        for n in (2, 0, 1):
            await desk.add_due(f"{n}", LONG_AGO + timedelta(minutes=n))
        fired = [await desk.store.fire_due(firing_turn(), has_ended=never_ended) for _ in range(4)]
        assert [f.firing.due_at.minute for f in fired[:3] if f] == [35, 36, 37]
        assert fired[3] is None

    async def test_of_ten_at_once_one_fires(self, desk: Desk) -> None:
        kept = await desk.add_due()
        stores = [desk.store, desk.other] * 5
        fired = await asyncio.gather(*(s.fire_due(firing_turn(), has_ended=never_ended) for s in stores))
        assert sum(f is not None for f in fired) == 1
        assert len(await desk.store.list_firings(kept.schedule_id, limit=99)) == len(await desk.jobs()) == 1

    async def test_a_turn_without_a_job_is_recorded(self, desk: Desk) -> None:
        kept = await desk.add_due()

        def miss(schedule: Schedule, now: datetime) -> Turn:
            firing = Firing(schedule.schedule_id, LONG_AGO, FiringOutcome.MISSED, now, reason="9 h late")
            return Turn(firing, None)

        fired = await desk.store.fire_due(miss, has_ended=never_ended)
        assert fired is not None
        assert fired.admission is None
        assert await desk.store.list_firings(kept.schedule_id, limit=9) == [fired.firing]
        after = await desk.store.load(OWNER, kept.schedule_id)
        assert (after.next_at, after.last_at, after.last_job_id) == (None, None, None)
        assert await desk.jobs() == []

    async def test_a_repeated_due_time_fires_no_second_job(self, desk: Desk) -> None:
        kept = await desk.add_due()
        first = await desk.store.fire_due(firing_turn(), has_ended=never_ended)
        await desk.set_due(kept)
        again = await desk.store.fire_due(firing_turn(), has_ended=never_ended)
        assert first is not None
        assert again is not None
        assert again.admission is None
        assert await desk.store.list_firings(kept.schedule_id, limit=9) == [first.firing]
        assert len(await desk.jobs()) == 1

    async def test_a_turn_that_fails_leaves_nothing(self, desk: Desk) -> None:
        kept = await desk.add_due()

        def fail(schedule: Schedule, now: datetime) -> Turn:
            raise StoreError("died")

        with pytest.raises(StoreError, match="died"):
            await desk.store.fire_due(fail, has_ended=never_ended)
        assert await desk.store.load(OWNER, kept.schedule_id) == kept
        assert await desk.store.fire_due(firing_turn(), has_ended=never_ended) is not None

    async def test_an_unfinished_job_of_the_same_request_is_joined(self, desk: Desk) -> None:
        terms = Terms("the request", may_join=True)
        running = (await desk.history.admit(make_job(), terms)).job
        await desk.add_due()
        fired = await desk.store.fire_due(firing_turn(terms=terms), has_ended=never_ended)
        assert fired is not None
        assert (fired.firing.outcome, fired.firing.job_id) == (FiringOutcome.JOINED, running.job_id)
        assert len(await desk.jobs()) == 1

    async def test_a_job_that_has_just_ended_is_not_joined(self, desk: Desk) -> None:
        terms = Terms("the request", may_join=True)
        ended = (await desk.history.admit(make_job(), terms)).job
        await desk.add_due()

        async def settle(job: Job) -> bool:
            await desk.history.save_final(replace(job, status=JobStatus.COMPLETED))
            return True

        fired = await desk.store.fire_due(firing_turn(terms=terms), has_ended=settle)
        assert fired is not None
        assert fired.firing.outcome is FiringOutcome.FIRED
        assert fired.firing.job_id != ended.job_id

    async def test_a_schedule_that_is_being_fired_is_passed_over(self, desk: Desk) -> None:
        terms = Terms("the request", may_join=True)
        await desk.history.admit(make_job(), terms)
        await desk.add_due(name="held")
        asked, answer = asyncio.Event(), asyncio.Event()

        async def wait(job: Job) -> bool:
            asked.set()
            await answer.wait()
            return False

        holder = asyncio.create_task(desk.store.fire_due(firing_turn(terms=terms), has_ended=wait))
        await asked.wait()
        assert await desk.other.fire_due(firing_turn(), has_ended=never_ended) is None
        free = await desk.add_due(name="free")
        fired = await desk.other.fire_due(firing_turn(), has_ended=never_ended)
        assert fired is not None
        assert fired.firing.schedule_id == free.schedule_id
        answer.set()
        assert await holder is not None

    async def test_a_manual_firing_needs_no_due_time(self, desk: Desk) -> None:
        kept = await desk.store.add(make_schedule(is_enabled=False))
        fired = await desk.store.fire_now(OWNER, kept.schedule_id, firing_turn(), has_ended=never_ended)
        assert fired.admission is not None
        assert [job.job_id for job in await desk.jobs()] == [fired.firing.job_id]

    async def test_the_newest_firings_come_first(self, desk: Desk) -> None:
        kept = await desk.add_due()
        for n in range(3):
            await desk.set_due(kept, LONG_AGO + timedelta(days=n))
            await desk.store.fire_due(firing_turn(), has_ended=never_ended)
        assert [f.due_at.day for f in await desk.store.list_firings(kept.schedule_id, limit=2)] == [6, 5]

    async def test_each_schedule_has_its_newest_firing(self, desk: Desk) -> None:
        fired, never, other = [
            await desk.store.add(make_schedule(name, owner=owner))
            for name, owner in (("fired", OWNER), ("never", OWNER), ("theirs", "other"))
        ]
        for minute in (3, 9, 6):
            await desk.set_due(fired, LONG_AGO + timedelta(minutes=minute))
            await desk.store.fire_due(firing_turn(), has_ended=never_ended)
        await desk.store.fire_now("other", other.schedule_id, firing_turn(), has_ended=never_ended)
        last = await desk.other.last_firings(OWNER)
        assert {i: firing.due_at for i, firing in last.items()} == {fired.schedule_id: LONG_AGO + timedelta(minutes=9)}
        assert last[fired.schedule_id] == (await desk.store.list_firings(fired.schedule_id, limit=1))[0]
        assert never.schedule_id not in last


async def test_a_frozen_holder_loses_its_lock_and_fires_nothing(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE jobs, schedules CASCADE")
    engine = connect_postgres(database_url, application_name="test")
    frozen, healthy = PostgresScheduleStore(engine, hold_s=0.2), PostgresScheduleStore(engine)
    history = PostgresJobHistory(engine)
    kept = await frozen.add(make_schedule())
    await frozen.change(OWNER, kept.schedule_id, lambda s, _: replace(s, next_at=LONG_AGO))
    terms = Terms("the request", may_join=True)
    running = (await history.admit(make_job(), terms)).job
    stopped, resumed = asyncio.Event(), asyncio.Event()

    async def freeze(job: Job) -> bool:
        stopped.set()
        await resumed.wait()
        return False

    holder = asyncio.create_task(frozen.fire_due(firing_turn(terms=terms), has_ended=freeze))
    await stopped.wait()
    async with asyncio.timeout(30):
        while (fired := await healthy.fire_due(firing_turn(terms=terms), has_ended=never_ended)) is None:  # noqa: ASYNC110  the lock ends in PostgreSQL, which tells nobody
            await asyncio.sleep(0.05)
    resumed.set()
    with pytest.raises(StoreError):
        await holder
    firings = await healthy.list_firings(kept.schedule_id, limit=9)
    await engine.dispose()
    assert firings == [fired.firing]
    assert firings[0].job_id == running.job_id
