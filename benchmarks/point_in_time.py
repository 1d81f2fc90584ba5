"""What the history of corrected bars costs: disk for a year with 0.5 % corrections, and the time of a first write.

Usage: python benchmarks/point_in_time.py [--quick] [--symbols 20] [--days 245] [--share 0.005]

A year of minutes is written session by session; then the same share of bars, chosen at random, gets other prices: once
session by session, as a provider corrects them the day after, and once in a random order of sessions. The disk is
compared with the same store before the corrections. Exits with 1 when a goal is missed.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.goals import Goal, report
from kaboom.bars.pages.store import PageBarStore
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, empty_logs, full_day

FIRST = date(2025, 1, 6)
MOST_PERCENT = 3.0


def sessions(days: int) -> list[date]:
    """Return that many weekdays."""
    found, day = list[date](), FIRST
    while len(found) < days:
        if day.weekday() < 5:
            found.append(day)
        day += timedelta(days=1)
    return found


def correct(day: pl.DataFrame, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Return the corrected bars of a session: some bars, chosen at random, with another close and volume."""
    some = day.filter(pl.Series(rng.random(day.height) < share))
    moved = pl.Series(rng.integers(1, 4, some.height).astype(float))
    volume = pl.Series(rng.integers(1, 300, some.height) * 100)
    return some.with_columns(close=pl.col("low") + moved, high=pl.col("high") + 4, volume=volume)


async def size(store: PageBarStore) -> int:
    """Return the bytes of the store, its logs moved into the files."""
    await empty_logs(store)
    return (await store.verify()).bytes or 0


async def measure(options: argparse.Namespace, folder: Path) -> list[tuple[str, float]]:
    """Return the cost of each order of corrections in percent of the disk."""
    names, days = [str(1301 + i) for i in range(options.symbols)], sessions(options.days)
    store, took, daily = PageBarStore(folder / "year"), list[float](), list[float]()
    for seed, day in enumerate(days):
        bars = full_day(names, day, seed)
        begun = time.perf_counter()
        await store.write(MINUTES, bars)
        took.append(time.perf_counter() - begun)
        midnight = pl.lit(day).cast(pl.Datetime("us", "UTC"))
        last = bars.group_by("symbol", maintain_order=True).last().with_columns(opened_at=midnight)
        begun = time.perf_counter()
        await store.write(DAILY, last.select(bars.columns))
        daily.append(time.perf_counter() - begun)
    ms = median(took) * 1e3, median(daily) * 1e3
    print(f"first write of a session of {options.symbols} symbols: {ms[0]:.2f} ms, of a daily bar: {ms[1]:.2f} ms")
    before = await size(store)
    await store.close()
    costs = []
    for order in ("the day after", "in a random order"):
        shutil.copytree(folder / "year", folder / order)
        store, rng = PageBarStore(folder / order), np.random.default_rng(1)
        numbered = list(enumerate(days))
        if order != "the day after":
            random.Random(1).shuffle(numbered)
        changed, begun = 0, time.perf_counter()
        for seed, day in numbered:
            changed += (await store.write(MINUTES, correct(full_day(names, day, seed), options.share, rng))).changed
        after = await size(store)
        await store.close()
        costs.append((order, 100 * (after / before - 1)))
        grown = f"{before:,} -> {after:,} bytes (+{costs[-1][1]:.2f} %)"
        print(f"{order}: {changed} corrections, {grown}, {time.perf_counter() - begun:.1f} s")
    return costs


def main() -> int:
    """Measure, print, and compare with the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument("--days", type=int, default=245)
    parser.add_argument("--share", type=float, default=0.005)
    parser.add_argument("--quick", dest="days", action="store_const", const=30, help="30 days")
    parser.add_argument("--json", action="store_true", help="print the goals as JSON")
    with tempfile.TemporaryDirectory() as folder:
        options = parser.parse_args()
        costs = asyncio.run(measure(options, Path(folder)))
    goals = [Goal(f"% of disk more, corrected {order}", percent, most=MOST_PERCENT) for order, percent in costs]
    return report({}, goals, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
