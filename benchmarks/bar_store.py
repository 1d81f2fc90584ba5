"""The bar store beside its physical limits and its peer, SQLite rows: ratios against the goals.

Usage: python benchmarks/bar_store.py [--quick] [--kills N]

Every figure is measured in this run, on this machine, limit and store taking turns; a figure is the median
of its rounds. Bars are synthetic: whole sessions of 327 minutes, whole-yen random walks. Exits with 1 when
a goal is missed.
"""

import argparse
import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.results import Goal, keep_if_recording
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.store import BarStore
from tests.fixtures.bars.page_kills import kill_writers
from tests.fixtures.bars.stored_bars import MINUTES, STAMPS, at, empty_logs, full_day

CHUNK = 50
FIRST = date(2025, 6, 2)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure."""

    symbols: int
    days: int
    rounds: int

    @property
    def names(self) -> list[str]:
        """The symbols."""
        return [str(1301 + i) for i in range(self.symbols)]

    def chunks(self, day: int, seed: int = 1) -> list[pl.DataFrame]:
        """Return a whole session in writes of 50 symbols."""
        session = FIRST + timedelta(days=day)
        return [full_day(self.names[i : i + CHUNK], session, seed + i) for i in range(0, self.symbols, CHUNK)]


@dataclass(slots=True)
class Table:
    """The lines of the report."""

    goals: list[Goal] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def at_most(self, name: str, ours: float, peer: tuple[str, float], goal: float) -> None:
        """Report a ratio that must not exceed its goal."""
        self._line(name, ours, peer, Goal(f"{name}: times as long as {peer[0]}", ours / peer[1], most=goal))

    def faster(self, name: str, ours: float, peer: tuple[str, float], goal: float) -> None:
        """Report how many times faster than a peer; must reach its goal."""
        self._line(name, ours, peer, Goal(f"{name}: times faster than {peer[0]}", peer[1] / ours, least=goal))

    def end(self) -> int:
        """Say which goals were missed, keep the figures, and return the exit code."""
        keep_if_recording({}, self.goals)
        print("all goals met" if not self.missed else f"missed: {', '.join(self.missed)}")
        return 1 if self.missed else 0

    def _line(self, name: str, ours: float, peer: tuple[str, float], goal: Goal) -> None:
        self.goals.append(goal)
        word = "ok" if goal.is_met else "MISSED"
        left = f"{name:34} {ours * 1e3:9.2f} ms   {peer[0]:34} {peer[1] * 1e3:9.2f} ms"
        print(f"{left}   {goal.value:7.2f}x  goal {goal.bound}x  {word}", flush=True)
        if not goal.is_met:
            self.missed.append(name)


@contextmanager
def timed(into: list[float]) -> Iterator[None]:
    """Add the seconds that the block took."""
    start = time.perf_counter()
    yield
    into.append(time.perf_counter() - start)


def append_and_sync(path: Path, chunk_bytes: int, chunks: int) -> None:
    """Be the limit of a durable day: the same bytes at the end of one file, synced as often."""
    block = os.urandom(chunk_bytes)
    with path.open("ab", buffering=0) as file:
        for _ in range(chunks):
            file.write(block)
            os.fsync(file.fileno())


async def write_all(store: BarStore, chunks: list[pl.DataFrame]) -> None:
    """Write chunk after chunk, each acknowledged before the next."""
    for chunk in chunks:
        await store.write(MINUTES, chunk)


class Rows:
    """The peer: one row per bar in SQLite, primary key (symbol, time), WAL, synchronous FULL."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;"
            "CREATE TABLE bar (symbol TEXT, ts INT, o REAL, h REAL, l REAL, c REAL, v INT, flags INT,"
            " PRIMARY KEY (symbol, ts)) WITHOUT ROWID;"
        )

    def write(self, chunk: pl.DataFrame) -> None:
        """Upsert a chunk in one transaction."""
        rows = chunk.with_columns(pl.col("opened_at").dt.epoch("s")).rows()
        self.db.execute("BEGIN IMMEDIATE")
        self.db.executemany("INSERT OR REPLACE INTO bar VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self.db.execute("COMMIT")

    def symbol(self, name: str, start_s: int, end_s: int) -> pl.DataFrame:
        """Return one symbol's bars as a frame."""
        sql = "SELECT * FROM bar WHERE symbol = ? AND ts >= ? AND ts < ?"
        return pl.DataFrame(self.db.execute(sql, (name, start_s, end_s)).fetchall(), orient="row")

    def latest(self, names: list[str]) -> list[tuple[object, ...]]:
        """Return each symbol's newest bar, by one look-up each."""
        sql = "SELECT * FROM bar WHERE symbol = ? ORDER BY ts DESC LIMIT 1"
        return [self.db.execute(sql, (name,)).fetchone() for name in names]

    def coverage(self) -> list[tuple[object, ...]]:
        """Count bars per symbol and session."""
        sql = "SELECT symbol, ts / 86400, count(*), min(ts), max(ts) FROM bar GROUP BY 1, 2"
        return self.db.execute(sql).fetchall()


async def measure_writes(plan: Plan, folder: Path, table: Table) -> PageBarStore:
    """Write sessions in one process, each beside its limit; return the store that holds them."""
    store = PageBarStore(folder / "bars")
    await write_all(store, plan.chunks(0))
    await empty_logs(store)
    health = await store.verify()
    chunk_bytes = (health.bytes or 0) // (plan.symbols // CHUNK)
    first: list[float] = []
    again: list[float] = []
    same: list[float] = []
    limit: list[float] = []
    for day in range(1, plan.days):
        chunks = plan.chunks(day)
        with timed(limit):
            append_and_sync(folder / "raw", chunk_bytes, len(chunks))
        with timed(first):
            await write_all(store, chunks)
    await empty_logs(store)
    health = await store.verify()
    for day in range(1, plan.rounds + 1):
        others = plan.chunks(day, seed=10_000)
        with timed(again):
            await write_all(store, others)
        with timed(same):
            await write_all(store, others)
    floor = ("append the same bytes + fsync", median(limit))
    table.at_most("durable day, 1 process", median(first), floor, 5)
    # It writes twice: what it replaces is kept.
    table.at_most("rewrite, all values new", median(again), ("first write", median(first)), 2.2)
    table.at_most("rewrite, nothing new", median(same), ("first write", median(first)), 1.5)
    print(f"{'bytes per bar on disk':34} {(health.bytes or 0) / health.bars:9.2f}      goal ≤ 8, raw 48")
    if (health.bytes or 0) / health.bars > 8:
        table.missed.append("bytes per bar")
    return store


def measure_four(plan: Plan, folder: Path, table: Table) -> None:
    """Write sessions from four processes at once, each beside its limit from four processes."""
    took: dict[str, list[float]] = {"limit": [], "store": []}
    with closing_all([_worker(plan, folder, k) for k in range(4)]) as workers:
        for day in range(plan.rounds + 1):  # the first round makes files and opens connections
            for what, times in took.items():
                with timed(times):
                    for worker in workers:
                        _tell(worker, f"{what} {day}")
                    for worker in workers:
                        _hear(worker)
    floor = ("the same, 4 processes", median(took["limit"][1:]))
    table.at_most("durable day, 4 processes", median(took["store"][1:]), floor, 10)


@contextmanager
def closing_all(workers: list[subprocess.Popen[str]]) -> Iterator[list[subprocess.Popen[str]]]:
    """Wait until all are ready, and end them by closing their input."""
    for worker in workers:
        _hear(worker)
    yield workers
    for worker in workers:
        worker.communicate()


def _worker(plan: Plan, folder: Path, index: int) -> subprocess.Popen[str]:
    argv = [sys.executable, __file__, "--worker", f"{folder},{plan.symbols},{plan.rounds + 1},{index}"]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _tell(worker: subprocess.Popen[str], words: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(words + "\n")
    worker.stdin.flush()


def _hear(worker: subprocess.Popen[str]) -> None:
    assert worker.stdout is not None
    assert worker.stdout.readline()


async def work(folder: Path, plan: Plan, index: int) -> None:
    """Be one of four processes: take every fourth chunk."""
    days = [plan.chunks(day)[index::4] for day in range(plan.days)]
    store = PageBarStore(folder / "bars4")
    print("ready", flush=True)
    for line in sys.stdin:
        what, day = line.split()
        if what == "limit":
            append_and_sync(folder / f"raw{index}", CHUNK * len(STAMPS) * 6, len(days[int(day)]))
        else:
            await write_all(store, days[int(day)])
        print("done", flush=True)
    await store.close()


async def measure_reads(plan: Plan, folder: Path, store: PageBarStore, table: Table) -> None:
    """Read sessions beside Arrow IPC, and a symbol beside raw seeks."""
    last = FIRST + timedelta(days=plan.days - 1)
    day = await store.read_session(MINUTES, last)
    assert len(day) == plan.symbols * len(STAMPS)
    arrow, raw = folder / "day.arrow", folder / "seeks"
    day.write_ipc(arrow, compression="uncompressed")
    raw.write_bytes(os.urandom(64 << 20))

    def read_polars_ipc() -> None:
        assert len(pl.read_ipc(arrow)) == len(day)

    def read_arrow_ipc() -> None:
        with pa.OSFile(str(arrow)) as file:
            assert len(pl.DataFrame(pa.ipc.open_file(file).read_all())) == len(day)

    async def read_session() -> None:
        assert len(await store.read_session(MINUTES, last)) == len(day)

    rounds = plan.rounds * 5
    ours, peer = await in_turns(rounds, read_session, read_polars_ipc)
    table.at_most("all symbols x 1 day", ours, ("Arrow IPC, polars.read_ipc", peer), 6)
    ours, peer = await in_turns(rounds, read_session, read_arrow_ipc)
    table.at_most("all symbols x 1 day", ours, ("Arrow IPC, pyarrow to polars", peer), 6)

    rng, symbols = random.Random(1), plan.names
    with raw.open("rb", buffering=0) as seeks:

        def seek() -> None:
            for _ in range(plan.days):
                os.pread(seeks.fileno(), 2048, rng.randrange(0, (64 << 20) - 2048))

        async def read_symbol() -> None:
            name = rng.choice(symbols)
            found = await store.read(MINUTES, name, start=at(FIRST), end=at(last + timedelta(days=1)))
            assert len(found) == plan.days * len(STAMPS)

        ours, floor = await in_turns(rounds * 5, read_symbol, seek)
    table.at_most(f"1 symbol x {plan.days} days", ours, (f"{plan.days} raw seeks of 2 KiB", floor), 15)


async def measure_rows(plan: Plan, folder: Path, store: PageBarStore, table: Table) -> None:
    """Answer the same questions from SQLite rows."""
    last = FIRST + timedelta(days=plan.days - 1)
    start_s, end_s = int(at(FIRST).timestamp()), int(at(last + timedelta(days=1)).timestamp())
    writes: list[float] = []
    ours_writes: list[float] = []
    scratch = PageBarStore(folder / "scratch")
    rows = Rows(folder / "rows.sqlite")
    with closing(rows.db):
        for day in range(plan.days):
            chunks = plan.chunks(day)
            with timed(writes):
                for chunk in chunks:
                    rows.write(chunk)
            with timed(ours_writes):
                await write_all(scratch, chunks)
        await scratch.close()
        table.faster("durable day", median(ours_writes), ("SQLite rows", median(writes)), 5)
        rng, symbols = random.Random(2), plan.names

        async def one() -> None:
            name = rng.choice(symbols)
            await store.read(MINUTES, name, start=at(FIRST), end=at(last + timedelta(days=1)))

        async def latest() -> None:
            assert len(await store.latest(MINUTES)) == plan.symbols

        async def coverage() -> None:
            assert len(await store.coverage(MINUTES, first=FIRST, last=last)) == plan.symbols * plan.days

        ours, by_rows = await in_turns(
            plan.rounds * 3,
            one,
            lambda: rows.symbol(rng.choice(symbols), start_s, end_s),
        )
        table.faster(f"1 symbol x {plan.days} days", ours, ("SQLite rows", by_rows), 5)
        ours, by_rows = await in_turns(plan.rounds, latest, lambda: rows.latest(symbols))
        table.at_most(f"latest of {plan.symbols}", ours, ("SQLite rows", by_rows), 1)
        ours, by_rows = await in_turns(plan.rounds, coverage, rows.coverage)
        table.faster(f"coverage, {plan.symbols * plan.days} cells", ours, ("SQLite rows", by_rows), 50)


async def in_turns(rounds: int, *jobs: Callable[[], object]) -> list[float]:
    """Run jobs in turns, one round unmeasured; return the median seconds of each."""
    times: list[list[float]] = [[] for _ in jobs]
    for _ in range(rounds + 1):
        for job, into in zip(jobs, times, strict=True):
            with timed(into):
                result = job()
                if isinstance(result, Awaitable):
                    await result
    return [median(t[1:]) for t in times]


async def main(plan: Plan, kills: int) -> int:
    """Measure everything and return the exit code."""
    table = Table()
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as name:
        folder = Path(name)
        store = await measure_writes(plan, folder, table)
        await asyncio.to_thread(measure_four, plan, folder, table)
        await measure_reads(plan, folder, store, table)
        await measure_rows(plan, folder, store, table)
        await store.close()
        if kills:
            report = await asyncio.to_thread(kill_writers, folder / "killed", kills)
            print(
                f"{report.kills} kills, {report.acknowledged} acknowledged writes, {report.reads} reads: "
                f"{len(report.lost)} lost, {len(report.torn)} torn"
            )
            table.missed += report.lost + report.torn
    return table.end()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="10 days, fewer rounds; the goals are set for the 20 days of a full run"
    )
    parser.add_argument("--kills", type=int, default=0, help="rounds of killing two writers")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        where, symbols, days, index = options.worker.split(",")
        asyncio.run(work(Path(where), Plan(int(symbols), int(days), 1), int(index)))
        sys.exit(0)
    chosen = Plan(symbols=1600, days=10, rounds=4) if options.quick else Plan(symbols=1600, days=20, rounds=8)
    sys.exit(asyncio.run(main(chosen, options.kills)))
