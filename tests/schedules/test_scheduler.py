"""Each due time becomes one job, whatever dies on the way: ten simulated years, and two schedulers at once."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest

from kaboom.drivers.postgres.database import Database
from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.errors import InvalidRequest, NotFound, StoreError
from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.model import Job
from kaboom.jobs.postgres.opening import open_history
from kaboom.jobs.postgres.port import JobQuery
from kaboom.market.calendar import JST, sessions_between
from kaboom.schedules.model import Fired, FiringOutcome, HasEnded, MissedPolicy, Schedule, ScheduleStore, TakeTurn, Turn
from kaboom.schedules.scheduler import Scheduler
from kaboom.schedules.store import MemoryScheduleStore, open_schedules
from kaboom.schedules.timing import Timing, TimingKind
from kaboom.telemetry.logs import configure_logging, tap_lines
from tests.fixtures.jobs.jobs import OWNER
from tests.fixtures.jobs.schedules import MINUTELY, REQUEST, SESSION_AT, HandClock, make_schedule, never_ended

pytestmark = pytest.mark.anyio
BEGIN = datetime(2016, 1, 1, tzinfo=JST)


class Died(Exception):
    """The process that fired was killed."""


@dataclass(frozen=True, slots=True)
class Mortal(Jobs):
    """The jobs of a process that may be killed between the commit and the announcement."""

    is_doomed: Callable[[], bool]

    async def announce(self, job: Job) -> None:
        """Die, or tell Redis."""
        if self.is_doomed():
            raise Died
        await Jobs.announce(self, job)


def _set(schedule: Schedule, now: datetime, **values: Any) -> Schedule:
    return replace(schedule, **values)


def sessions_until(now: datetime) -> list[date]:
    """The days on which the simulated schedule has come due."""
    days = sessions_between(BEGIN.date(), now.astimezone(JST).date())
    return [day for day in days if datetime.combine(day, time(16, 35), JST) <= now]


async def jobs_of(parts: Parts) -> list[Job]:
    return await parts.history.list_jobs(JobQuery(("ingest",), OWNER, limit=100_000))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_ten_years_of_kills_fire_each_session_once_and_no_holiday(parts: Parts, seed: int) -> None:
    chance = random.Random(seed)
    clock = HandClock(BEGIN)
    schedules = MemoryScheduleStore(parts.history, clock=clock)
    # Outages and deaths in a row come to more than the three days of the default.
    schedule = make_schedule(timing=SESSION_AT, missed=MissedPolicy.ALL, max_late_h=720)
    kept = await schedules.add(schedule)
    deaths = 0
    while clock.now.year < 2026:
        # Alive most of the time, away for up to 60 hours now and then; a tick is seldom on the second.
        clock.move(hours=chance.choice([0.5, 1, 3, 7]) if chance.random() < 0.95 else chance.uniform(7, 60))
        scheduler = Scheduler(Mortal(parts, lambda: chance.random() < 0.2), schedules)
        deaths += await _tick(scheduler, schedules, chance)
    await Scheduler(Jobs(parts), schedules).fire_due()
    firings, days = await schedules.list_firings(kept.schedule_id, limit=100_000), sessions_until(clock.now)
    assert Counter(f.outcome for f in firings) == {FiringOutcome.FIRED: len(firings)}
    assert [f.due_at.astimezone(JST).date() for f in reversed(firings)] == days
    jobs = await jobs_of(parts)
    assert sorted(job.request["session"] for job in jobs) == [f"{day}" for day in days]
    assert {job.job_id for job in jobs} == {f.job_id for f in firings}
    assert deaths > 100


async def _tick(scheduler: Scheduler, schedules: ScheduleStore, chance: random.Random) -> int:
    """Fire once as a process may: killed before, killed within the transaction, killed after it; return the deaths."""

    def die(schedule: Schedule, now: datetime) -> Turn:
        raise Died

    fate = chance.random()
    if fate < 0.1:
        return 1
    try:
        if fate < 0.2:
            await schedules.fire_due(die, has_ended=never_ended)
        else:
            await scheduler.fire_due()
    except Died:
        return 1
    return 0


@pytest.mark.parametrize("seed", [4, 5])
async def test_under_latest_each_session_has_one_outcome_and_one_job_at_most(parts: Parts, seed: int) -> None:
    chance = random.Random(seed)
    clock = HandClock(BEGIN)
    schedules = MemoryScheduleStore(parts.history, clock=clock)
    kept = await schedules.add(make_schedule(timing=SESSION_AT))
    while clock.now.year < 2026:
        clock.move(hours=chance.choice([1, 5, 24, 80, 200]))
        await Scheduler(Jobs(parts), schedules).fire_due()
    firings, days = await schedules.list_firings(kept.schedule_id, limit=100_000), sessions_until(clock.now)
    assert [f.due_at.astimezone(JST).date() for f in reversed(firings)] == days
    outcomes = Counter(f.outcome for f in firings)
    assert set(outcomes) == {FiringOutcome.FIRED, FiringOutcome.MISSED}
    assert outcomes[FiringOutcome.FIRED] == len(await jobs_of(parts)) > 500
    assert all(f.reason for f in firings if f.outcome is FiringOutcome.MISSED)


async def test_a_holder_that_pauses_for_a_minute_fires_nothing_twice(parts: Parts) -> None:
    clock = HandClock(BEGIN)
    schedules = MemoryScheduleStore(parts.history, clock=clock)
    kept = await schedules.add(make_schedule(timing=SESSION_AT))
    jobs = Jobs(parts)
    # The same request is unfinished, so that the holder must ask about it, and stops there.
    await jobs.submit(RUN_DAILY, REQUEST | {"session": "2016-01-04"}, owner=OWNER)
    asked, resumed = asyncio.Event(), asyncio.Event()

    async def pause(job: Job) -> bool:
        asked.set()
        await resumed.wait()
        return False

    clock.now = datetime(2016, 1, 4, 16, 35, 1, tzinfo=JST)
    holder = asyncio.create_task(schedules.fire_due(Scheduler(Jobs(parts), schedules)._take_turn, has_ended=pause))
    await asked.wait()
    clock.move(seconds=60)
    assert await Scheduler(jobs, schedules).fire_due() == 0
    resumed.set()
    await holder
    assert await Scheduler(jobs, schedules).fire_due() == 0
    assert len(await schedules.list_firings(kept.schedule_id, limit=9)) == len(await jobs_of(parts)) == 1


async def test_a_firing_whose_request_still_runs_is_recorded_as_joined(parts: Parts) -> None:
    clock = HandClock(BEGIN)
    schedules = MemoryScheduleStore(parts.history, clock=clock)
    kept = await schedules.add(make_schedule(timing=MINUTELY))
    for _ in range(2):
        clock.move(minutes=1)
        assert await Scheduler(Jobs(parts), schedules).fire_due() == 1
    second, first = await schedules.list_firings(kept.schedule_id, limit=9)
    assert (first.outcome, second.outcome) == (FiringOutcome.FIRED, FiringOutcome.JOINED)
    assert first.job_id == second.job_id


async def test_a_job_that_redis_knows_to_have_ended_is_not_joined(parts: Parts) -> None:
    clock = HandClock(BEGIN)
    schedules = MemoryScheduleStore(parts.history, clock=clock)
    kept = await schedules.add(make_schedule(timing=MINUTELY))
    clock.move(minutes=1)
    await Scheduler(Jobs(parts), schedules).fire_due()
    (job,) = await jobs_of(parts)
    await parts.store.cancel("ingest", job.job_id)
    clock.move(minutes=1)
    await Scheduler(Jobs(parts), schedules).fire_due()
    assert [f.outcome for f in await schedules.list_firings(kept.schedule_id, limit=9)] == ["fired", "fired"]


async def test_what_this_version_cannot_do_is_refused_and_in_nobodys_way(parts: Parts) -> None:
    clock = HandClock(BEGIN)
    schedules = MemoryScheduleStore(parts.history, clock=clock)
    alien = await schedules.add(make_schedule("alien", task="moon.landing"))
    broken = await schedules.add(make_schedule("broken"))
    bad = Timing(TimingKind.CRON, "every day")
    await schedules.change(OWNER, broken.schedule_id, lambda s, _: replace(s, timing=bad))
    good = await schedules.add(make_schedule("good"))
    clock.move(minutes=1)
    assert await Scheduler(Jobs(parts), schedules).fire_due() == 3
    for schedule, outcome in ((alien, "refused"), (broken, "refused"), (good, "fired")):
        (firing,) = await schedules.list_firings(schedule.schedule_id, limit=9)
        assert firing.outcome == outcome
    assert (await schedules.load(OWNER, broken.schedule_id)).next_at is None
    with pytest.raises(InvalidRequest, match="this version does not have"):
        await Scheduler(Jobs(parts), schedules).fire_now(OWNER, alien.schedule_id)


async def test_a_manual_firing_joins_the_days_own_and_leaves_its_due_time(parts: Parts) -> None:
    clock = HandClock(datetime(2025, 11, 4, 16, 34, tzinfo=JST))
    schedules = MemoryScheduleStore(parts.history, clock=clock)
    kept = await schedules.add(make_schedule(timing=SESSION_AT))
    clock.move(minutes=1)
    scheduler = Scheduler(Jobs(parts), schedules)
    await scheduler.fire_due()
    armed = await schedules.load(OWNER, kept.schedule_id)
    clock.move(seconds=9)
    admission = await scheduler.fire_now(OWNER, kept.schedule_id)
    assert admission.job.request["session"] == "2025-11-04"
    manual, own = await schedules.list_firings(kept.schedule_id, limit=9)
    assert (manual.is_manual, manual.outcome, manual.job_id) == (True, FiringOutcome.JOINED, own.job_id)
    assert (await schedules.load(OWNER, kept.schedule_id)).next_at == armed.next_at
    with pytest.raises(NotFound):
        await scheduler.fire_now("another", kept.schedule_id)


@pytest.mark.parametrize(
    ("error", "event"),
    [(StoreError("PostgreSQL did not answer"), "firing_failed"), (ZeroDivisionError(), "firing_crashed")],
)
async def test_whatever_happens_it_goes_on_and_that_is_logged(parts: Parts, error: Exception, event: str) -> None:
    fired = asyncio.Event()

    class Away(MemoryScheduleStore):
        tries = 0

        async def fire_due(self, take_turn: TakeTurn, *, has_ended: HasEnded) -> Fired | None:
            self.tries += 1
            if self.tries > 1:
                fired.set()
            raise error

    configure_logging(log_format="json", level="INFO")
    lines: list[str] = []
    end_tap = tap_lines(lambda line: lines.append(str(line)))
    work = asyncio.create_task(Scheduler(Jobs(parts), Away(parts.history)).run())
    async with asyncio.timeout(30):
        await fired.wait()
    assert not work.done()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    end_tap()
    assert {name for name in ("firing_failed", "firing_crashed") if name in "".join(lines)} == {event}


@pytest.fixture
async def pair(parts: Parts, database_url: str) -> AsyncIterator[list[Parts]]:
    """The parts of two processes on one real database, without schedules."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE jobs, schedules CASCADE")
    engines = [connect_postgres(database_url, application_name="test") for _ in range(2)]
    yield [
        replace(parts, database=database, history=database.open(open_history)) for database in map(Database, engines)
    ]
    for engine in engines:
        await engine.dispose()


async def test_two_schedulers_on_one_database_fire_each_due_time_once(pair: list[Parts], parts: Parts) -> None:
    chance = random.Random(6)
    schedules = pair[0].database.open(open_schedules)
    kept = [await schedules.add(make_schedule(f"{n}", timing=MINUTELY, missed=MissedPolicy.ALL)) for n in range(4)]
    # Long in the past, and so many that both work at once and are killed many times.
    since = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)
    for schedule in kept:
        request = REQUEST | {"symbols": [schedule.name]}
        edit = partial(_set, next_at=since, request=request)
        await schedules.change(OWNER, schedule.schedule_id, edit)

    async def fire(one: Parts) -> None:
        """Fire until nothing is due, dying after one commit in four and at once starting anew."""
        while True:
            scheduler = Scheduler(Mortal(one, lambda: chance.random() < 0.25), one.database.open(open_schedules))
            try:
                await scheduler.fire_due()
            except Died:
                continue
            return

    await asyncio.gather(*(fire(one) for one in pair * 2))
    for schedule in kept:
        firings = await schedules.list_firings(schedule.schedule_id, limit=999)
        assert [f.due_at for f in reversed(firings)] == [since + timedelta(minutes=n) for n in range(len(firings))]
        assert len(firings) >= 31
        # Nothing runs them: the first is the job of all that followed.
        assert Counter(f.outcome for f in firings) == {"fired": 1, "joined": len(firings) - 1}
        assert len({f.job_id for f in firings}) == 1
    assert len(await jobs_of(pair[0])) == len(kept)
