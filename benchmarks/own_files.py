"""Reading files of one's own beside DuckDB's scan of the same files: 1,651 CSVs, each a year of days.

Usage: python benchmarks/own_files.py [--quick] [--json]

Ours is all that an ingest asks of the files, by a provider that has seen none of them: the symbols, the sessions, and
every bar of all symbols, checked cell by cell. The peer is one query of DuckDB over the folder that returns every row,
with types and the file's name. Both take turns in one process, and both must give the same rows and the same sums.
Exits with 1 when the goal is missed.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import duckdb
import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.rig.goals import Goal, report  # noqa: E402
from kaboom.market.calendar import last_sessions  # noqa: E402
from kaboom.market.interval import Interval  # noqa: E402
from kaboom.market.listing import Market  # noqa: E402
from kaboom.market.lists.universe import load_universe  # noqa: E402
from kaboom.providers.base import BarRequest  # noqa: E402
from kaboom.providers.file.provider import FileProvider  # noqa: E402

LAST = date(2024, 3, 29)
DAYS = 245
MOST_RATIO = 2.0


def write_files(folder: Path) -> int:
    """Write a CSV of a year of days for each symbol of TSE Prime; return the number of files."""
    sessions = last_sessions(DAYS, LAST)
    symbols = load_universe(Market.TSE_PRIME, LAST, imported_dir=folder / "none").symbols
    rng = np.random.default_rng(1)
    for symbol in symbols:
        close = (1_000 + rng.normal(0, 10, DAYS).cumsum()).clip(10).round(1)
        rows = {"Date": sessions, "Open": close, "High": close + 5, "Low": close - 5, "Close": close}
        volume = rng.integers(1, 10_000, DAYS) * 100
        pl.DataFrame({**rows, "Volume": volume}).write_csv(folder / f"{symbol}.csv")
    return len(symbols)


def read_ours(folder: Path) -> tuple[int, float]:
    """Return the number of bars and the sum of closes, read by the provider."""

    async def run() -> pl.DataFrame:
        provider = FileProvider(folder)
        until = LAST + timedelta(days=1)
        symbols = await provider.fetch_universe(Market.FILE, until)
        sessions = await provider.fetch_sessions(Interval.D1, 10_000, until)
        fetched = await provider.fetch_bars(BarRequest(symbols or (), Interval.D1, sessions or ()))
        assert not fetched.outcomes
        return fetched.bars

    bars = asyncio.run(run())
    return bars.height, round(float(bars["close"].sum()), 1)


def read_peer(folder: Path) -> tuple[int, float]:
    """Return the same, read by DuckDB."""
    rows = duckdb.read_csv(f"{folder}/*.csv", filename=True).pl()
    return rows.height, round(float(rows["Close"].sum()), 1)


def clock(read: Callable[[Path], tuple[int, float]], folder: Path) -> tuple[float, tuple[int, float]]:
    """Return the seconds of a read, and what it read."""
    start = time.perf_counter()
    found = read(folder)
    return time.perf_counter() - start, found


def main() -> int:
    """Measure in turns, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 7")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    ours, peer = list[float](), list[float]()
    with tempfile.TemporaryDirectory(prefix="kaboom-bench-") as name:
        folder = Path(name)
        files = write_files(folder)
        for _ in range(3 if options.quick else 7):
            (took, found), (peer_took, expected) = clock(read_ours, folder), clock(read_peer, folder)
            ours.append(took)
            peer.append(peer_took)
            assert found == expected, (found, expected)
    rows = {
        f"Kaboom, {files:,} files": {"s": median(ours), "best s": min(ours)},
        "DuckDB's scan of them": {"s": median(peer), "best s": min(peer)},
    }
    ratio = median(a / b for a, b in zip(ours, peer, strict=True))
    goal = Goal("times DuckDB's scan, median of the rounds", ratio, most=MOST_RATIO)
    return report(rows, [goal], as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
