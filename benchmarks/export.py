"""Bars as files: a year of days in one file, and twenty sessions of minutes as a mirror; beside polars' own writer.

Usage: python benchmarks/export.py [--quick] [--json]

1,600 symbols in the embedded store: 245 sessions of 1-minute bars' days, and 20 whole sessions of minutes (327 each).
Ours reads pages, sorts, labels, writes Parquet and waits for the disk. The peer has the same labelled rows in memory
already, and only writes them, with the same compression. Each runs in a process of its own, in turns, whose largest
resident memory is read at its end. Both files must hold the same rows.

Exits with 1 when a goal is missed.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median

import polars as pl

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.rig.goals import Goal, report  # noqa: E402
from kaboom.bars.export.files import export_files  # noqa: E402
from kaboom.bars.export.formats import Format  # noqa: E402
from kaboom.bars.export.plan import Selection, plan_file, plan_folder  # noqa: E402
from kaboom.bars.pages.store import PageBarStore  # noqa: E402
from kaboom.market.bar import BarSeries  # noqa: E402
from kaboom.market.calendar import last_sessions, utc_midnight  # noqa: E402
from kaboom.market.interval import Interval  # noqa: E402
from tests.fixtures.bars.stored_bars import MINUTES, full_day  # noqa: E402

NAMES = [str(1301 + n) for n in range(1600)]
LAST = date(2025, 6, 30)
YEAR = last_sessions(245, LAST)
DAYS = BarSeries("synthetic", Interval.D1)
ALL = (date(2024, 1, 1), date(2025, 12, 31))
MOST_YEAR_S, MOST_RATIO, MOST_MIB = 1.5, 4.0, 600.0
WAYS = ("year", "year_peer", "mirror", "mirror_peer")


async def fill(root: Path, sessions: int) -> None:
    """Write the bars."""
    store = PageBarStore(root / "bars")
    minutes = [full_day(NAMES, session, seed) for seed, session in enumerate(YEAR[-sessions:])]
    for bars in minutes:
        await store.write(MINUTES, bars)
    first = minutes[0].group_by("symbol", maintain_order=True).first()
    of_year = [first.with_columns(opened_at=pl.lit(utc_midnight(day)).cast(first["opened_at"].dtype)) for day in YEAR]
    await store.write(DAYS, pl.concat(of_year))
    await store.close()


async def write_ours(root: Path, way: str) -> float:
    """Write files of ours; return the seconds."""
    store = PageBarStore(root / "bars")
    begun_at = time.perf_counter()
    if way == "year":
        planned = await plan_file(store, Selection(DAYS, *ALL), root / "year.parquet")
    else:
        planned = await plan_folder(store, Selection(MINUTES, *ALL), root / "mirror", Format.PARQUET)
    await export_files(store, planned)
    seconds = time.perf_counter() - begun_at
    await store.close()
    return seconds


def write_peer(root: Path, way: str) -> float:
    """Write the rows of ours as one frame; return the seconds of the writing."""
    rows = pl.read_parquet(root / "year.parquet" if way == "year_peer" else root / "mirror/**/*.parquet")
    begun_at = time.perf_counter()
    rows.write_parquet(root / f"{way}.parquet", compression="zstd")
    return time.perf_counter() - begun_at


def run_way(root: Path, way: str) -> None:
    """Run one way, and print its seconds and the most memory that its process had, in MiB."""
    seconds = write_peer(root, way) if way.endswith("_peer") else asyncio.run(write_ours(root, way))
    status = Path("/proc/self/status").read_text()
    print(seconds, next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")))


def measure(root: Path, way: str) -> tuple[float, float]:
    """Run one way in a process of its own; return its seconds and its MiB."""
    printed = subprocess.check_output([sys.executable, __file__, "--run", way, str(root)], text=True)
    seconds, mib = map(float, printed.split())
    return seconds, mib


def main() -> int:
    """Measure, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="five sessions of minutes, one round")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--run", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_way(Path(options.run[1]), options.run[0])
        return 0
    sessions, rounds = (5, 1) if options.quick else (20, 3)
    with tempfile.TemporaryDirectory(prefix="kaboom-bench-") as folder:
        root = Path(folder)
        asyncio.run(fill(root, sessions))
        took = {way: [measure(root, way) for _ in range(rounds)] for way in WAYS}
        found = pl.scan_parquet(root / "mirror/**/*.parquet").select(pl.len()).collect().item()
        if found != sessions * len(NAMES) * 327:
            sys.exit(f"the mirror holds {found:,} rows")
    best = {way: (median(s for s, _ in each), max(mib for _, mib in each)) for way, each in took.items()}
    rows = {way: {"seconds": seconds, "MiB": mib} for way, (seconds, mib) in best.items()}
    goals = [
        Goal("a year of days of 1,600 symbols, seconds", best["year"][0], most=MOST_YEAR_S),
        Goal(
            "mirror of minutes, times polars writing the same frame",
            best["mirror"][0] / best["mirror_peer"][0],
            most=MOST_RATIO,
        ),
        Goal("memory of the larger, MiB", max(best["year"][1], best["mirror"][1]), most=MOST_MIB),
    ]
    return report(rows, goals, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
