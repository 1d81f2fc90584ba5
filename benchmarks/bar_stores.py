"""The bar stores beside each other: PostgreSQL, page files and, where `influxd` is installed, InfluxDB 1.x, in one run.

Usage: python benchmarks/bar_stores.py [--quick]

An embedded PostgreSQL is started with its defaults, so every commit waits for the disk, as it does in the page files.
A figure is the median of its rounds, the stores taking turns. Bars are whole sessions of 327 minutes of 1,600 symbols,
written 50 symbols at a time. InfluxDB gets the newest session alone, and is asked for its coverage, its bars and the
newest bars. Exits with 1 when a goal is missed.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bar_store import FIRST, Plan, Table, timed, write_all
from kaboom.bars.influx.layout import InfluxBuckets
from kaboom.bars.influx.target import InfluxApi, InfluxTarget
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.bars.store import BarStore
from kaboom.drivers.postgres.blocking import BlockingDatabase
from tests.fixtures.bars.stored_bars import MINUTES, STAMPS, at
from tests.fixtures.influx.influx_stores import make_store
from tests.fixtures.influx.influxd import influxd
from tests.fixtures.servers.servers import fresh_database, open_folder, shared_servers, stop_servers

#: PostgreSQL may take so many times as long as page files.
WRITES, READS = 3, 5
#: InfluxDB takes so many times as long as PostgreSQL.
INFLUX = 10
_WRITERS = 4


async def in_turns(rounds: int, stores: list[BarStore], job: Callable[[BarStore], Awaitable[object]]) -> list[float]:
    """Run a job on each store in turns, one round unmeasured; return the median seconds of each."""
    times: list[list[float]] = [[] for _ in stores]
    for _ in range(rounds + 1):
        for store, into in zip(stores, times, strict=True):
            with timed(into):
                await job(store)
    return [median(each[1:]) for each in times]


async def measure_writes(plan: Plan, stores: list[BarStore], table: Table) -> None:
    """Write sessions: by one writer, again with all values new, again with nothing new."""
    days = iter(range(plan.days))
    first: list[list[float]] = [[] for _ in stores]
    for day in days:
        chunks = plan.chunks(day)
        for store, into in zip(stores, first, strict=True):
            with timed(into):
                await write_all(store, chunks)
    _compare(table, "durable day, 50 symbols a write", [median(each[1:]) for each in first], WRITES)
    others = plan.chunks(1, seed=10_000)
    for name, times in (("rewrite, all values new", others), ("rewrite, nothing new", others)):
        took: list[float] = []
        for store in stores:
            one: list[float] = []
            with timed(one):
                await write_all(store, times)
            took += one
        _compare(table, name, took, WRITES)


async def measure_reads(plan: Plan, stores: list[BarStore], table: Table) -> None:
    """Read a symbol, a session, twenty sessions, coverage and the newest bars."""
    last = FIRST + timedelta(days=plan.days - 1)
    rng, symbols = random.Random(1), plan.names
    end = at(last + timedelta(days=1))

    async def one(store: BarStore) -> None:
        found = await store.read(MINUTES, rng.choice(symbols), start=at(FIRST), end=end)
        assert len(found) == plan.days * len(STAMPS)

    async def session(store: BarStore) -> None:
        assert len(await store.read_session(MINUTES, last)) == plan.symbols * len(STAMPS)

    async def every(store: BarStore) -> None:
        found = await store.read_sessions(MINUTES, first=FIRST, last=last)
        assert len(found) == plan.symbols * plan.days * len(STAMPS)

    async def newest(store: BarStore) -> None:
        assert len(await store.latest(MINUTES)) == plan.symbols

    async def closes(store: BarStore) -> None:
        assert len(await store.last_closes(MINUTES, symbols, before=last)) == plan.symbols

    async def covered(store: BarStore) -> None:
        assert len(await store.coverage(MINUTES, first=FIRST, last=last)) == plan.symbols * plan.days

    for name, job, rounds in (
        (f"1 symbol x {plan.days} days", one, plan.rounds * 5),
        ("all symbols x 1 day", session, plan.rounds * 2),
        (f"all symbols x {plan.days} days", every, plan.rounds // 2),
        (f"latest of {plan.symbols}", newest, plan.rounds),
        (f"last closes of {plan.symbols}", closes, plan.rounds),
        (f"coverage, {plan.symbols * plan.days} cells", covered, plan.rounds),
    ):
        _compare(table, name, await in_turns(rounds, stores, job), READS)


def _compare(table: Table, name: str, took: list[float], goal: float) -> None:
    pages, postgres = took
    table.at_most(name, postgres, ("page files", pages), goal)


async def measure_influx(plan: Plan, postgres: BarStore, influx: BarStore, table: Table) -> None:
    """Write a session to InfluxDB, and ask both stores for the bars of that session."""
    last, took = FIRST + timedelta(days=plan.days - 1), list[float]()
    with timed(took):
        await write_all(influx, plan.chunks(plan.days - 1))
    print(f"InfluxDB took {took[0]:.1f} s to write a session, {plan.symbols * len(STAMPS) / took[0]:,.0f} bars/s")
    jobs: dict[str, Callable[[BarStore], Awaitable[pl.DataFrame]]] = {
        "coverage of a session": lambda store: store.coverage(MINUTES, first=last, last=last),
        "newest of all": lambda store: store.latest(MINUTES),
        "a whole session": lambda store: store.read_session(MINUTES, last),
    }
    for name, job in jobs.items():
        assert (await job(influx)).height == (await job(postgres)).height
        ours, theirs = await in_turns(plan.rounds // 2, [postgres, influx], job)
        table.faster(f"PostgreSQL: {name}", ours, ("InfluxDB", theirs), INFLUX)


@contextmanager
def open_influx(folder: Path) -> Iterator[BarStore | None]:
    """Give a store on a new InfluxDB; None if `influxd` is not installed."""
    if shutil.which("influxd") is None:
        yield None
        return
    folder.mkdir()
    with influxd(folder) as server:
        buckets = InfluxBuckets(*(server.make_database() for _ in range(3)))
        yield make_store(InfluxTarget(server.url, "", "", InfluxApi.V1), buckets, folder / "refused.jsonl")


async def main(plan: Plan, url: str, folder: Path, influx: BarStore | None) -> int:
    """Measure everything and return the exit code."""
    table = Table()
    stores: list[BarStore] = [
        PageBarStore(folder / "bars"),
        PostgresBarStore(BlockingDatabase(url, application_name="benchmark")),
    ]
    await measure_writes(plan, stores, table)
    await measure_reads(plan, stores, table)
    if influx is None:
        print("InfluxDB was not measured: influxd is not on PATH")
    else:
        await measure_influx(plan, stores[1], influx, table)
        await influx.close()
    for store in stores:
        health = await store.verify()
        print(
            f"{type(store).__name__}: {(health.bytes or 0) / health.bars:.2f} bytes per bar, {health.faults or 'sound'}"
        )
        await store.close()
    return table.end()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 days, fewer rounds")
    options = parser.parse_args()
    chosen = Plan(symbols=1600, days=5, rounds=4) if options.quick else Plan(symbols=1600, days=20, rounds=8)
    with open_folder() as root, tempfile.TemporaryDirectory(dir=Path(__file__).parent) as name:
        try:
            with fresh_database(shared_servers(root)) as address, open_influx(Path(name, "influx")) as store:
                code = asyncio.run(main(chosen, address, Path(name), store))
        finally:
            stop_servers(root)
    sys.exit(code)
