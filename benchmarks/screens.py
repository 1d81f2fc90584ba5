"""A screen of a market beside the same written by hand in polars: 1,651 symbols, a year of daily bars in memory.

The expression has an average, an RSI, a mean volume and a change. It exits with 1 if the screen takes more than 300 ms,
or more than 1.5 times the time by hand. `cold` is the first screen after a write, which reads the bars.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.goals import Goal, report
from kaboom.bars.actions.sqlite import SqliteActionStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.disclosures.store import MemoryDisclosureStore
from kaboom.drivers.clock import utc_now
from kaboom.indicators.expression import parse_expression
from kaboom.market.bar import BAR_SCHEMA, BarSeries
from kaboom.market.calendar import last_sessions, utc_midnight
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.lists.universe import load_universe
from kaboom.screens.evaluate import Screener, Stores
from kaboom.screens.model import Question
from tests.fixtures.servers.servers import open_folder

LAST, SESSIONS = date(2025, 10, 31), 520
SERIES = BarSeries("synthetic", Interval.D1)
TEXT = "rsi_14 < 60 and close > sma_75 and volume > 1.2 * volume_sma_25 and change_5d > 0"
#: As many rows as the screen holds: those of the RSI, in steps of a year.
HELD = 520


def make_bars(symbols: tuple[str, ...]) -> pl.DataFrame:
    """Return random walks of some symbols."""
    draw, days = np.random.default_rng(34), [utc_midnight(day) for day in last_sessions(SESSIONS, LAST)]
    steps = draw.normal(0, 0.02, (len(symbols), SESSIONS))
    close = (1000 * np.exp(np.cumsum(steps, axis=1))).ravel()
    frame = pl.DataFrame(
        {
            "symbol": np.repeat(symbols, SESSIONS), "opened_at": days * len(symbols), "open": close,
            "high": close * 1.01, "low": close * 0.99, "close": close,
            "volume": draw.integers(1000, 1_000_000, len(close)), "flags": 0,
        }
    )  # fmt: skip
    return frame.cast(BAR_SCHEMA).select(list(BAR_SCHEMA))


def by_hand(bars: pl.DataFrame) -> set[str]:
    """Return what passes, as one would write it in polars: expressions over each symbol of sorted bars."""
    close, volume = pl.col("close"), pl.col("volume")
    step = close.diff()
    up, down = (each.ewm_mean(alpha=1 / 14, adjust=False) for each in (step.clip(0), (-step).clip(0)))
    rows = bars.select(
        "symbol",
        "opened_at",
        "close",
        "volume",
        rsi=(100 - 100 / (1 + up / down)).over("symbol"),
        sma=close.rolling_mean(75).over("symbol"),
        mean=volume.rolling_mean(25).over("symbol"),
        change=((close / close.shift(5) - 1) * 100).over("symbol"),
    )
    newest = rows.filter(pl.col("opened_at") == utc_midnight(LAST))
    passes = (pl.col("rsi") < 60) & (close > pl.col("sma")) & (volume > 1.2 * pl.col("mean")) & (pl.col("change") > 0)
    return set(newest.filter(passes).sort(close * volume, descending=True)["symbol"])


def best_ms(run: Callable[[], object], rounds: int) -> float:
    """Return the milliseconds of the quickest of some runs."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        run()
        taken.append((time.perf_counter() - begun) * 1000)
    return min(taken)


async def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Return the times of the first screen, of the next ones, and of the same by hand, in turns."""
    bars = make_bars(load_universe(Market.TSE_PRIME, LAST).symbols)
    store = PageBarStore(folder)
    await store.write(SERIES, bars)
    screener = Screener(
        Stores(store, SqliteActionStore(folder), MemoryDisclosureStore()), symbols_dir=folder, delay_s=0, clock=utc_now
    )
    question = Question(parse_expression(TEXT), "synthetic", Market.TSE_PRIME, LAST)
    begun = time.perf_counter()
    found = set((await screener.ask(question)).rows["symbol"])
    cold_ms = (time.perf_counter() - begun) * 1000
    held = bars.filter(pl.col("opened_at") >= utc_midnight(last_sessions(HELD, LAST)[0])).sort("symbol", "opened_at")
    # RSI by `ewm_mean` starts otherwise than TA-Lib's, which no longer matters after so many rows.
    if found != by_hand(held):
        raise SystemExit(f"{len(found)} symbols pass, by hand {len(by_hand(held))}")
    ours, theirs = [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        await screener.ask(question)
        ours.append((time.perf_counter() - begun) * 1000)
        theirs.append(best_ms(lambda: by_hand(held), 1))
    await store.close()
    return {"cold_ms": cold_ms, "screen_ms": min(ours), "by_hand_ms": min(theirs), "ratio": min(ours) / min(theirs)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 rounds in place of 20")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with open_folder() as root:
        row = asyncio.run(measure(root, 5 if arguments.quick else 20))
    goals = [
        Goal("milliseconds of a screen of a market", row["screen_ms"], most=300),
        Goal("times polars by hand", row["ratio"], most=1.5),
    ]
    sys.exit(report({"screen": row}, goals, as_json=arguments.json))
