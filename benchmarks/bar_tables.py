"""The tables of bars when they are large: size, plans of every statement, autovacuum, and memory of a long read.

Usage: python benchmarks/bar_tables.py [--sessions 2000] [--symbols 50]

Sessions of 327 minutes are written 20 at a time, to an embedded PostgreSQL with its defaults. Then each kind of call is
made once, and the plan of each of its statements is read; one that reads a whole table of pages where an index is meant
is named, and the script exits with 1.
"""

import argparse
import asyncio
import re
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kaboom.bars.coverage.fetch_log import build_fetch_log
from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.drivers.postgres.blocking import BlockingDatabase, Statements
from tests.fixtures.bars.stored_bars import MINUTES, at, full_day, refused
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


@contextmanager
def explained(plans: dict[str, str]) -> Iterator[None]:
    """Keep the plan of each statement that is executed meanwhile."""
    rows, run, csv = Statements.rows, Statements.run, Statements.csv

    def explain(sql: Statements, statement: Any, values: Sequence[Any]) -> None:
        if (
            isinstance(statement, str)
            and statement not in plans
            and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)", statement)
        ):
            found = rows(sql, f"EXPLAIN {statement}", values)
            plans[statement] = "\n".join(line for (line,) in found)

    def rows_too(sql: Statements, statement: Any, values: Sequence[Any] = ()) -> Any:
        explain(sql, statement, values)
        return rows(sql, statement, values)

    def run_too(sql: Statements, statement: Any, values: Sequence[Any] = ()) -> int:
        explain(sql, statement, values)
        return run(sql, statement, values)

    def csv_too(sql: Statements, statement: Any, values: Sequence[Any] = ()) -> bytes:
        explain(sql, statement, values)
        return csv(sql, statement, values)

    _replace({"rows": rows_too, "run": run_too, "csv": csv_too})
    try:
        yield
    finally:
        _replace({"rows": rows, "run": run, "csv": csv})


def _replace(methods: dict[str, Any]) -> None:
    for name, method in methods.items():
        setattr(Statements, name, method)


async def call_everything(store: PostgresBarStore, symbols: Sequence[str], days: Sequence[date]) -> None:
    """Make each kind of call once."""
    last, moment = days[-1], datetime.now(UTC)
    again = full_day(symbols[:5], last, seed=7)
    await store.write(MINUTES, again)
    await store.write(MINUTES, full_day(symbols, last + timedelta(days=7)))
    await store.quarantine(MINUTES, refused((symbols[0], at(last), -1.0, 1.0, 1.0, 1.0, 1.0, "low_above_open")))
    await store.save_fetch_log(MINUTES, build_fetch_log(again, symbols, [last], moment))
    for reader in (store, store.known_at(moment), store.known_at(datetime.now(UTC))):
        await reader.read(MINUTES, symbols[0], start=at(days[-60]), end=at(last))
        await reader.read_session(MINUTES, last)
        await reader.latest(MINUTES)
        await reader.latest(MINUTES, symbols[:3])
        await reader.coverage(MINUTES, first=days[-20], last=last)
    await store.last_closes(MINUTES, symbols, before=last)
    await store.load_fetch_log(MINUTES, first=days[-20], last=last)
    await store.read_quarantine(MINUTES)
    await store.release(MINUTES, await store.read_quarantine(MINUTES))
    await store.list_series()
    await store.version()
    await store.older(MINUTES, str(days[0].year), before=days[20])
    await store.compact(MINUTES, str(days[0].year), before=days[20])


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
        scans = sorted(set(re.findall(r"Seq Scan on (bar_(?:page|replaced)\w*)", plan)))
        # One row of a partition is enough.
        scans = [] if "LIMIT 1)" in statement else scans
        bad += bool(scans)
        print(f"{'SCANS ' + ', '.join(scans) if scans else 'ok':8} {' '.join(statement.split())[:110]}")
        if scans:
            print(plan)
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
