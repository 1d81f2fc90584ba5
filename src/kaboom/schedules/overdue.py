"""Find daily ingests that are overdue by the calendar of sessions, for the gauge that an alert reads."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from kaboom.drivers.clock import utc_now
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.model import Job, JobStatus
from kaboom.market.calendar import JST, previous_session, sessions_between
from kaboom.market.listing import Market
from kaboom.schedules.model import Schedule
from kaboom.schedules.store import open_schedules
from kaboom.schedules.timing import TimingKind
from kaboom.telemetry.metrics import BACKFILL_AGE_SECONDS, INGEST_OVERDUE_SECONDS, Reading
from kaboom.web.auth.principals import DEFAULT_OWNER

#: By this time in Japan providers have had a session's bars for at least an hour.
_DUE = time(18)
#: How long an ingest may take when its schedule fires later than an hour before `_DUE`.
_TAKES = timedelta(hours=1)
#: The markets that follow the calendar of sessions.
_TSE = frozenset(market.value for market in Market if market.is_tse)
#: Backfills on so many days are a nightly job.
_NIGHTS = 3
#: How far back to look: longer than the ten days of the longest closure so far.
LOOKED_BACK = timedelta(days=14)

_RUN_DAILY, _BACKFILL = "ingest.run_daily", "ingest.backfill"
#: The share of symbols that a partial daily ingest must have done for its session to count.
_MOSTLY = 0.9

#: A market and an interval, by their names in requests.
type Series = tuple[str, str]


async def read_overdue(parts: Parts) -> list[Reading]:
    """Return a reading for each series that is ingested daily.

    Raises:
        StoreError: the ledger is unavailable.

    """
    now = utc_now()
    done, schedules = await _load(parts, now)
    overdue = find_overdue(done, schedules, now)
    return [Reading(INGEST_OVERDUE_SECONDS, seconds, series) for series, seconds in overdue.items()]


async def read_ingest_gauges(parts: Parts) -> list[Reading]:
    """Return the readings of `read_overdue`, and the age of each market's nightly backfill.

    Raises:
        StoreError: the ledger is unavailable.

    """
    now = utc_now()
    backfills = await parts.history.ended("ingest", (_BACKFILL,), since=now - LOOKED_BACK)
    ages = [
        Reading(BACKFILL_AGE_SECONDS, age_s, (market,)) for market, age_s in find_backfill_ages(backfills, now).items()
    ]
    return [*await read_overdue(parts), *ages]


def find_backfill_ages(jobs: Iterable[Job], now: datetime) -> dict[str, float]:
    """Return for each market the seconds since a backfill of the whole market ended well, if it runs each night.

    It runs each night if jobs ended well on three days of the two weeks before; others were started by hand.
    """
    ends: defaultdict[str, list[datetime]] = defaultdict(list)
    for job in jobs:
        if job.completed_at and _is_whole(job) and _ended_well(job):
            ends[str(job.request.get("market", ""))].append(job.completed_at)
    return {
        market: (now - max(moments)).total_seconds()
        for market, moments in ends.items()
        if len({moment.astimezone(JST).date() for moment in moments}) >= _NIGHTS
    }


async def read_missing(parts: Parts, session: date) -> list[Series]:
    """Return the series of `find_overdue` that have no complete ingest of a session, whether it is due or not.

    Raises:
        StoreError: the ledger is unavailable.

    """
    done, schedules = await _load(parts, utc_now())
    promises = _promises(schedules)
    return sorted(
        series
        for series in done.keys() | promises.keys()
        if _is_owed(session, done.get(series, set()), promises.get(series))
    )


async def _load(parts: Parts, now: datetime) -> tuple[Mapping[Series, set[date]], Sequence[Schedule]]:
    ended = await parts.history.ended("ingest", (_RUN_DAILY, _BACKFILL), since=now - LOOKED_BACK)
    return find_ingested(ended), await parts.database.open(open_schedules).list_schedules(DEFAULT_OWNER)


def find_ingested(jobs: Iterable[Job]) -> Mapping[Series, set[date]]:
    """Return the sessions that ended jobs have ingested for whole markets of the TSE.

    A job counts if it is completed, or if nine in ten of its symbols are done; a retry counts as the job that it
    continues. A backfill counts for its last session if nine in ten symbols of the market have bars. A job that was
    planned before the close does not count: its bars may have changed since.
    """
    done: defaultdict[Series, set[date]] = defaultdict(set)
    for job in jobs:
        if _is_whole(job) and _ended_well(job):
            for series in _series_of(job.request):
                done[series].add(date.fromisoformat((job.plan or {})["session"]))
    return done


def _is_whole(job: Job) -> bool:
    is_market = "symbols" not in job.request and not job.request.get("dry_run")
    return is_market and (job.plan or {}).get("is_final") is True


def _ended_well(job: Job) -> bool:
    if job.status is JobStatus.COMPLETED:
        return True
    if job.task == _RUN_DAILY:
        return job.done >= _MOSTLY * job.total
    market = (job.plan or {}).get("universe", {}).get("symbols", 0)
    return job.total - job.done <= (1 - _MOSTLY) * int(market)


@dataclass(frozen=True, slots=True)
class _Promise:
    """The time of day at which a schedule ingests a series, and the time since when the schedule is unchanged."""

    at: time
    since: datetime

    def due_at(self, day: date) -> datetime:
        return max(_at(day, _DUE), _at(day, self.at) + _TAKES)

    def has_begun(self, day: date) -> bool:
        return _at(day, self.at) > self.since


def find_overdue(done: Mapping[Series, set[date]], schedules: Iterable[Schedule], now: datetime) -> dict[Series, float]:
    """Return for each series that is ingested daily the seconds since its oldest missing session was due; 0 for none.

    A series is ingested daily if an enabled schedule does so, or if three sessions in a row were ingested, which
    also recognises Cloud Scheduler, n8n and cron. Other series are left out. A missed session before an ingested
    session does not count: it is a gap for a backfill.
    """
    promises = _promises(schedules)
    return {
        series: _overdue_s(done.get(series, set()), promises.get(series), now)
        for series in done.keys() | promises.keys()
        if series in promises or _is_daily(done[series])
    }


def _overdue_s(done: set[date], promise: _Promise | None, now: datetime) -> float:
    today = now.astimezone(JST).date()
    for day in sessions_between(max(done, default=today - LOOKED_BACK), today):
        due_at = promise.due_at(day) if promise else _at(day, _DUE)
        if due_at < now and _is_owed(day, done, promise):
            return (now - due_at).total_seconds()
    return 0.0


def _is_owed(day: date, done: set[date], promise: _Promise | None) -> bool:
    return day not in done and (_is_daily(done) or (promise is not None and promise.has_begun(day)))


def _promises(schedules: Iterable[Schedule]) -> Mapping[Series, _Promise]:
    made: dict[Series, _Promise] = {}
    for schedule in schedules:
        is_daily = schedule.timing.kind is TimingKind.SESSION and schedule.task == _RUN_DAILY
        if schedule.is_enabled and schedule.updated_at and is_daily and "symbols" not in schedule.request:
            promise = _Promise(time.fromisoformat(schedule.timing.text), schedule.updated_at)
            for series in _series_of(schedule.request):
                # If two schedules ingest the same series, the earlier one counts.
                made[series] = min(promise, made.get(series, promise), key=lambda each: each.at)
    return made


def _series_of(request: Mapping[str, Any]) -> Iterator[Series]:
    market = request.get("market", "")
    if market in _TSE:
        for interval in request.get("intervals", ()):
            yield market, interval


def _is_daily(days: set[date]) -> bool:
    """Return whether the days include three sessions in a row, unlike those of a single or a weekly ingest."""
    return any((before := previous_session(day)) in days and previous_session(before) in days for day in days)


def _at(day: date, at: time) -> datetime:
    return datetime.combine(day, at, JST)
