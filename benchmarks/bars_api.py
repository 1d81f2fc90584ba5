"""Reading bars over HTTP: one symbol, the newest of all, what is held; beside Parquet files read for each question.

Usage: python benchmarks/bars_api.py [--quick] [--json]

1,600 symbols and 60 sessions of 1-minute bars, the last 20 of them whole (327 minutes), the others of 30 minutes, in
the embedded store of an API, and 46 months with five bars each. The peer (`naive/bars.py`) has the bars of
the 60 sessions as Parquet files, one for each month, and answers with polars alone: no gate, no page, no tag. Both are
warm, have one caller, and are asked in turns. Server time is that until the first byte, which leaves when all are
ready; the whole answer, by way of the loopback, is beside it. CPU is that of the server's process, with the sending.
Each answer is compared with the other's.

Exits with 1 when a goal is missed.
"""

import argparse
import asyncio
import itertools
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import duckdb
import httpx2
import polars as pl

import kaboom
from benchmarks.rig.goals import Goal, report
from benchmarks.rig.load import Request, build_request
from benchmarks.rig.stack import Bench, Served, running
from kaboom.bars.coverage.fetch_log import build_fetch_log
from kaboom.bars.export.files import export_files
from kaboom.bars.export.formats import Format
from kaboom.bars.export.plan import Selection, plan_folder
from kaboom.bars.pages.store import PageBarStore
from kaboom.client.client import spread_closes
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import closes_at, sessions_between
from kaboom.market.interval import Interval
from tests.fixtures.bars.stored_bars import MINUTES, full_day

NAMES = [str(1301 + n) for n in range(1600)]
SESSIONS = sessions_between(date(2025, 8, 1), date(2025, 12, 30))[:60]
WHOLE = SESSIONS[-20:]
#: Of another interval, one session of each of 46 months: newest bars where many files could have them.
LONG = BarSeries("synthetic", Interval.M5)
MONTHS = [sessions_between(date(2022 + n // 12, n % 12 + 1, 5), date(2025, 12, 30))[0] for n in range(46)]
SPAN = f"start={WHOLE[0]}&end={WHOLE[-1] + timedelta(days=1)}&limit=20000"
LATEST = "/api/v1/bars/latest"
LATEST_LONG = f"{LATEST}?interval=5m"
NAMED = "".join(f"&symbol={name}" for name in NAMES[:200])
COVERAGE = f"/api/v1/coverage?first={SESSIONS[0]}&last={SESSIONS[-1]}&limit=100000"
ARROW = Format.ARROW.media_type
MOST_BARS_MS, MOST_LATEST_MS, MOST_COVERAGE_MS = 15.0, 50.0, 100.0
MOST_MANY_MS = 1000.0
#: The peer reads what it is asked for from compressed columns, as we do, but must look for it.
LEAST_SPEEDUP = 3.0
LEAST_PIVOT = 1.0

#: A way, what it is asked (None: each time the bars of another symbol), in which format, how often a round.
Load = tuple[Served, str | None, str, int]


async def fill(bench: Bench) -> None:
    """Write the store of the API, and the same bars as the peer's files."""
    store = PageBarStore(Path(bench.env["KABOOM_DATA_DIR"]) / "bars")
    for seed, session in enumerate(SESSIONS):
        bars = full_day(NAMES, session, seed)
        if session not in WHOLE:
            bars = bars.filter(pl.int_range(pl.len()).over("symbol") < 30)
        await store.write(MINUTES, bars)
        await store.save_fetch_log(
            MINUTES, build_fetch_log(bars, NAMES, [session], closes_at(session) + timedelta(hours=1))
        )
    for session in MONTHS:
        await store.write(LONG, full_day(NAMES, session).filter(pl.int_range(pl.len()).over("symbol") < 5))
    selection = Selection(MINUTES, SESSIONS[0], SESSIONS[-1])
    mirror = bench.folder / "mirror"
    await export_files(store, await plan_folder(store, selection, mirror, Format.PARQUET))
    await store.close()
    bench.env["NAIVE_MIRROR"] = str(mirror)


def compare(ours: Served, naive: Served) -> None:
    """Ask both the same, once, and look that they say the same."""
    for target, rows in ((f"/api/v1/bars/1301?{SPAN}", 20 * 327), (LATEST, 1600), (COVERAGE, 1600 * 60)):
        one, other = ours.get(target)["items"], naive.get(target)["items"]
        if not len(one) == len(other) == rows:
            sys.exit(f"{target}: {len(one):,} rows, the peer has {len(other):,}, expected {rows:,}")
        for mine, theirs in ((one[0], other[0]), (one[-1], other[-1])):
            same = [
                name for name in ("symbol", "session", "close", "bars", "volume") if name in mine and name in theirs
            ]
            if [mine[name] for name in same] != [theirs[name] for name in same]:
                sys.exit(f"{target}: {mine}, the peer has {theirs}")


def ask(way: Served, target: str | None, accept: str, count: int) -> Iterator[Request]:
    """Yield requests for one path, or for the bars of as many symbols."""
    for name in itertools.islice(itertools.cycle(NAMES[7::61]), count):
        path = target or f"/api/v1/bars/{name}?{SPAN}"
        yield Request(build_request("GET", path, token=way.token, accept=accept))


def time_first(ours: Served) -> float:
    """Return the milliseconds of the first question, which loads polars into the API."""
    begun_at = time.perf_counter()
    ours.get(LATEST)
    return (time.perf_counter() - begun_at) * 1000


def time_many(ours: Served, rounds: int) -> tuple[float, ...]:
    """Return median milliseconds: a session of all symbols as a frame, by the client; its closes; the peer's closes."""
    kb = kaboom.connect(f"http://127.0.0.1:{ours.port}", ours.token)
    spent = []
    for _ in range(rounds + 1):
        times = [time.perf_counter()]
        bars = kb.bars(interval="1m", start=WHOLE[-1], end=WHOLE[-1] + timedelta(days=1), adjusted=False)
        times.append(time.perf_counter())
        closes = spread_closes(bars)
        times.append(time.perf_counter())
        peer = (
            duckdb.connect().query("PIVOT bars ON symbol USING first(close) GROUP BY opened_at ORDER BY opened_at").pl()
        )
        times.append(time.perf_counter())
        spent.append([(end - start) * 1000 for start, end in pairwise(times)])
        if bars.height != len(NAMES) * 327:
            sys.exit(f"the session has {bars.height:,} bars, expected {len(NAMES) * 327:,}")
        if not closes.select(NAMES).equals(peer.select(NAMES)):
            sys.exit("the closes are not those of the peer")
    return tuple(map(median, zip(*spent[1:], strict=True)))


def size_kb(way: Served, target: str | None, accept: str) -> float:
    """Return the kilobytes of an answer's body."""
    url = f"http://127.0.0.1:{way.port}{target or f'/api/v1/bars/1301?{SPAN}'}"
    headers = {"x-ingest-token": way.token, "Accept": accept}
    return len(httpx2.get(url, headers=headers, trust_env=False, timeout=30).content) / 1000


def main() -> int:
    """Measure, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 rounds instead of 7")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    found: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    with running() as bench:
        asyncio.run(fill(bench))
        ours, naive = bench.serve("ours"), bench.serve("naive-bars")
        first_ms = time_first(ours)
        compare(ours, naive)
        loads: dict[str, Load] = {
            "20 days of 1m": (ours, None, "*/*", 60),
            "20 days of 1m, Arrow": (ours, None, ARROW, 60),
            "20 days of 1m, Parquet": (ours, None, Format.PARQUET.media_type, 60),
            "20 days of 1m, CSV": (ours, None, Format.CSV.media_type, 60),
            "latest of 1,600": (ours, LATEST, "*/*", 40),
            "latest of 1,600, 46 months": (ours, LATEST_LONG, "*/*", 12),
            "latest of 200 named, 46 months": (ours, LATEST_LONG + NAMED, "*/*", 40),
            "coverage 1,600 x 60": (ours, COVERAGE, "*/*", 12),
            "coverage 1,600 x 60, Arrow": (ours, COVERAGE, ARROW, 12),
            "coverage 1,600 x 60, finality": (ours, f"{COVERAGE}&finality=true", "*/*", 12),
            "peer: 20 days of 1m": (naive, None, "*/*", 15),
            "peer: latest of 1,600": (naive, LATEST, "*/*", 4),
            "peer: coverage 1,600 x 60": (naive, COVERAGE, "*/*", 2),
        }
        many_ms, spread_ms, pivot_ms = time_many(ours, 3 if options.quick else 9)
        sizes = {name: size_kb(*load[:3]) for name, load in loads.items()}
        for number in range((2 if options.quick else 7) + 1):
            for name, (way, target, accept, count) in loads.items():
                load, us = way.measure(ask(way, target, accept, count), connections=1)
                if number:
                    server_ms = median(load.first_bytes_ms)
                    found[name].append((server_ms, load.quantile_ms(0.5), load.quantile_ms(0.95), us / 1000))
    rows = {
        name: dict(
            zip(("server ms", "whole p50", "whole p95", "CPU ms"), map(median, zip(*each, strict=True)), strict=True)
        )
        | {"kB": sizes[name]}
        for name, each in found.items()
    }
    rows["first question after a start"] = {"whole ms": first_ms}
    rows["a session of 1,600, Arrow"] = {"whole p50": many_ms}
    rows["its closes, a column for each symbol"] = {"whole p50": spread_ms}
    rows["peer: its closes by DuckDB's PIVOT"] = {"whole p50": pivot_ms}
    goals = [
        *build_goals(found),
        Goal("523,200 bars as Arrow, read and decoded, p50, ms", many_ms, most=MOST_MANY_MS),
        Goal("their closes in columns, times as fast as DuckDB's PIVOT", pivot_ms / spread_ms, least=LEAST_PIVOT),
    ]
    return report(rows, goals, as_json=options.json)


def build_goals(found: dict[str, list[tuple[float, float, float, float]]]) -> list[Goal]:
    """Return what was promised, and what came of it."""
    limits = {
        "20 days of 1m": MOST_BARS_MS,
        "latest of 1,600": MOST_LATEST_MS,
        "coverage 1,600 x 60": MOST_COVERAGE_MS,
    }
    goals = [
        Goal(f"{name}, server time, p50, ms", median(each[0] for each in found[name]), most=limits[name])
        for name in limits
    ]
    for name in limits:
        pairs = zip(found[name], found[f"peer: {name}"], strict=True)
        goals.append(
            Goal(f"{name}, times as fast as the peer", median(p[1] / o[1] for o, p in pairs), least=LEAST_SPEEDUP)
        )
    return goals


if __name__ == "__main__":
    sys.exit(main())
