"""What the auditor looks at, read without the product's own readers where that is possible."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, cast

import orjson
import polars as pl
import psycopg
from psycopg.rows import dict_row

from kaboom.bars.memory import MemoryBarStore
from kaboom.domain_settings import BatchSettings
from kaboom.ingest.request import IngestRequest
from kaboom.ingest.run_daily import InProcessExecutor, plan_ingest, tools_for
from kaboom.market.bar import BAR_SCHEMA
from tests.faults.lab.client import Attempt
from tests.faults.lab.keys import find_stray_keys
from tests.faults.lab.lab import QUEUES, SETS, Lab, wait_quiet
from tests.fixtures.bars.kept_bars import bars_of, check_store, read_series
from tests.fixtures.servers.stacks import FINAL, until

#: Of whom the lab's ingest jobs take bars, all of them.
_SOURCE = "synthetic"


@dataclass(frozen=True, slots=True)
class LedgerJob:
    """A job's row in PostgreSQL, and its chunks' rows."""

    row: Mapping[str, Any]
    chunks: Sequence[Mapping[str, Any]]

    @property
    def is_ingest(self) -> bool:
        """Whether it takes bars, which an undisturbed run takes as well."""
        return bool(self.row["queue"] == "ingest")


@dataclass(frozen=True, slots=True)
class LiveJob:
    """A job's hash in Redis, its chunks' hash, and the states that its event stream tells of, in order."""

    record: Mapping[str, str]
    chunks: Mapping[str, str]
    states: Sequence[str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that must fit together when nothing runs any more."""

    attempts: Sequence[Attempt]
    expected_states: Mapping[str, frozenset[str]]
    ledger: Mapping[str, LedgerJob]
    #: The targets of the lines of the audit log.
    logged: frozenset[str]
    live: Mapping[str, LiveJob]
    left: Mapping[str, Sequence[str]]
    #: Bars in `BAR_SCHEMA`: what is kept, and what an undisturbed run keeps.
    kept: pl.DataFrame
    undisturbed: pl.DataFrame
    broken_pages: Sequence[str] = ()
    #: Jobs accepted before Redis lost what it held: it need not know the finished ones of them any more.
    forgotten: frozenset[str] = frozenset()
    #: Jobs that their caller deleted.
    deleted: frozenset[str] = frozenset()
    #: Keys of Redis that nothing will ever drop, or that belong to nobody, and why.
    stray: Mapping[str, str] = field(default_factory=dict)


def collect(lab: Lab, *, within_s: float = 60.0) -> Evidence:
    """Wait until nothing runs, and read everything."""
    deleted = frozenset(lab.caller.deleted)
    accepted = {a.job_id for a in lab.caller.attempts if a.job_id} - deleted
    wait_quiet(lab, within_s=within_s)
    ledger = until(
        lambda: _read_ledger(lab.database_url),
        lambda jobs: all(j.row["status"] in FINAL for j in jobs.values()),
        within_s=20,
        every_s=0.2,
    )
    ingests = [job.row["request"] for job in ledger.values() if job.is_ingest]
    return Evidence(
        attempts=tuple(lab.caller.attempts),
        expected_states=dict(lab.caller.expected),
        ledger=ledger,
        logged=_read_logged(lab.database_url),
        live=_read_live(lab, {job_id: _queue_of(ledger.get(job_id)) for job_id in sorted(accepted | ledger.keys())}),
        left={key: lab.redis.zrange(key, 0, -1) for key in SETS},
        kept=_read_kept(lab, ingests),
        undisturbed=_run_undisturbed(ingests, lab),
        broken_pages=[f"{f.where}: {f.message}" for f in check_store(lab.open_bars()).faults],
        forgotten=frozenset(lab.forgotten),
        deleted=deleted,
        stray=find_stray_keys(lab.redis, ledger.keys()),
    )


def _read_ledger(url: str) -> dict[str, LedgerJob]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        jobs = connection.execute("SELECT * FROM jobs").fetchall()
        chunks = connection.execute("SELECT * FROM job_chunks ORDER BY job_id, n").fetchall()
    by_job: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for chunk in chunks:
        by_job[chunk["job_id"]].append(chunk)
    return {job["job_id"]: LedgerJob(job, by_job[job["job_id"]]) for job in jobs}


def _read_logged(url: str) -> frozenset[str]:
    with psycopg.connect(url) as connection:
        return frozenset(target for (target,) in connection.execute("SELECT DISTINCT target FROM audit_log"))


def _queue_of(job: LedgerJob | None) -> str:
    return str(job.row["queue"]) if job else QUEUES[0]


def _read_live(lab: Lab, queues: Mapping[str, str]) -> dict[str, LiveJob]:
    with lab.redis.pipeline(transaction=False) as pipe:
        for job_id, queue in queues.items():
            pipe.hgetall(f"{queue}:job:{job_id}")
            pipe.hgetall(f"{queue}:job:{job_id}:chunks")
            pipe.xrange(f"{queue}:job:{job_id}:events")
        answers = pipe.execute()
    found = zip(queues, answers[::3], answers[1::3], answers[2::3], strict=True)
    return {
        job_id: LiveJob(record, chunks, [fields["d"] for _, fields in events if fields["t"] == "status"])
        for job_id, record, chunks, events in found
        if record
    }


def _read_kept(lab: Lab, ingests: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return the bars of the intervals that ingest jobs took: others were planted, or made by another kind of job."""
    taken = {*lab.requests.build(1)["intervals"], *(name for request in ingests for name in request["intervals"])}
    kept = bars_of(lab.open_bars())
    frames = [frame for series, frame in kept.items() if series.source == _SOURCE and series.interval.value in taken]
    return pl.concat([pl.DataFrame(schema=BAR_SCHEMA), *frames])


def _run_undisturbed(requests: Sequence[Mapping[str, Any]], lab: Lab) -> pl.DataFrame:
    """Return what in-process runs of all requests keep, also of deleted jobs; they differ in symbols and intervals."""
    # A retry names what its parent had left.
    usual = {name: value for name, value in lab.requests.build(1).items() if name != "only"}
    asked = [(request["intervals"], request["symbols"]) for request in requests]
    asked += [(usual["intervals"], symbols) for symbols in lab.caller.deleted.values()]
    wanted = defaultdict[tuple[tuple[str, int], ...], set[str]](set)
    for intervals, symbols in asked:
        wanted[tuple(intervals.items())].update(symbols)
    runs = [usual | {"intervals": dict(intervals), "symbols": sorted(found)} for intervals, found in wanted.items()]
    return pl.concat([pl.DataFrame(schema=BAR_SCHEMA), *(asyncio.run(_keep_in_memory(run)) for run in runs)])


async def _keep_in_memory(values: Mapping[str, Any]) -> pl.DataFrame:
    settings, request = BatchSettings(bar_store="memory"), IngestRequest.parse(values)
    # Not the process's own store: that keeps what earlier labs asked for.
    store = MemoryBarStore()
    tools = replace(tools_for(request, cast("date", request.session), settings=settings), store=store)
    await InProcessExecutor(tools).run(await plan_ingest(request, settings=settings))
    (series,) = await store.list_series()
    bars = await read_series(store, series)
    return bars.filter(pl.col("symbol").is_in(list(request.symbols or ())))


def parse_tally(text: str | None) -> Mapping[str, Any]:
    """Return a chunk's tally from Redis."""
    values: Mapping[str, Any] = orjson.loads(text or "{}")
    return values
