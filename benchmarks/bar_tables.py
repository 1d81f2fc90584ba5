"""The tables of bars when they are large: size, plans of every statement, autovacuum, and memory of a long read.

Usage: python benchmarks/bar_tables.py [--sessions 2000] [--symbols 50]

Sessions of 327 minutes are written 20 at a time, to an embedded PostgreSQL with its defaults. Then each kind of call is
made once, and the plan of each of its statements is read; one that reads a whole table of pages where an index is meant
is named, and the script exits with 1.
"""

import argparse
import asyncio
import resource
import sys
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.results import Goal, keep_if_recording
from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.drivers.postgres.blocking import BlockingDatabase
from tests.fixtures.bars.statement_plans import call_everything, explained, find_scans
from tests.fixtures.bars.stored_bars import MINUTES, full_day
from tests.fixtures.servers.servers import fresh_database, open_folder, shared_servers, stop_servers

_AT_ONCE, _READ = 20, 250
_FIRST = date(2018, 1, 1)
_SIZES = """
SELECT sum(pg_relation_size(c.oid))::bigint, sum(pg_indexes_size(c.oid))::bigint,
sum(pg_total_relation_size(c.oid) - pg_relation_size(c.oid) - pg_indexes_size(c.oid))::bigint, count(*)
FROM pg_class c WHERE c.relname LIKE 'bar_page_%' AND c.relkind = 'r'
"""
_VACUUMS = """
SELECT coalesce(sum(autovacuum_count), 0), coalesce(sum(autoanalyze_count), 0), coalesce(sum(n_dead_tup), 0)
FROM pg_stat_user_tables WHERE relname LIKE 'bar_%'
"""


def list_sessions(count: int) -> list[date]:
    """Return so many weekdays."""
    days = (_FIRST + timedelta(days=n) for n in range(count * 2))
    return [day for day in days if day.weekday() < 5][:count]


async def load(store: PostgresBarStore, symbols: Sequence[str], days: Sequence[date]) -> None:
    """Write every session, each with the same prices."""
    bars = full_day(symbols, days[0])
    for begin in range(0, len(days), _AT_ONCE):
        some = days[begin : begin + _AT_ONCE]
        await store.write(MINUTES, pl.concat(bars.with_columns(pl.col("opened_at") + (day - days[0])) for day in some))
        if begin % 400 == 0:
            print(f"{begin + _AT_ONCE:,} sessions written", flush=True)


async def measure(url: str, symbols: Sequence[str], days: Sequence[date]) -> int:
    """Load, print every figure, and return the exit code."""
    store = PostgresBarStore(BlockingDatabase(url, application_name="benchmark"))
    begun = time.perf_counter()
    await load(store, symbols, days)
    bars = len(days) * len(symbols) * 327
    print(f"{bars:,} bars in {len(days) * len(symbols):,} pages written in {time.perf_counter() - begun:.0f} s")
    plans: dict[str, str] = {}
    with explained(plans):
        await call_everything(store, symbols, days)
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    some = days[-_READ - 20 : -20] if len(days) > _READ + 20 else days
    found = await store.read_sessions(MINUTES, first=some[0], last=some[-1])
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"{len(some)} sessions: {found.height:,} bars in {time.perf_counter() - begun:.1f} s, a frame of"
        f" {found.estimated_size() / 1e6:.0f} MB, peak memory {grown_kb / 1e3:+.0f} MB over the load's"
    )
    await store.close()
    with psycopg.connect(url, autocommit=True) as connection:
        heap, indexes, toast, partitions = connection.execute(_SIZES).fetchall()[0]
        total = heap + indexes + toast
        print(
            f"{partitions} partitions: {total / 1e6:.0f} MB, {total / bars:.2f} bytes a bar (rows {heap / 1e6:.0f} MB,"
            f" indexes {indexes / 1e6:.0f} MB, TOAST {toast / 1e6:.0f} MB)"
        )
        vacuums, analyses, dead = connection.execute(_VACUUMS).fetchall()[0]
        print(f"autovacuum ran {vacuums} times, analyze {analyses} times; {dead} dead rows")
    bad = 0
    for statement, plan in plans.items():
        scans = find_scans(statement, plan)
        bad += bool(scans)
        print(f"{'SCANS ' + ', '.join(scans) if scans else 'ok':8} {' '.join(statement.split())[:110]}")
        if scans:
            print(plan)
    goals = [Goal("statements that read a whole table", bad, most=0)]
    keep_if_recording({"PostgreSQL": {"bars": bars, "bytes a bar": total / bars}}, goals)
    return 1 if bad else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--symbols", type=int, default=50)
    options = parser.parse_args()
    names = [str(1301 + i) for i in range(options.symbols)]
    with open_folder() as root:
        try:
            with fresh_database(shared_servers(root)) as address:
                code = asyncio.run(measure(address, names, list_sessions(options.sessions)))
        finally:
            stop_servers(root)
    sys.exit(code)
