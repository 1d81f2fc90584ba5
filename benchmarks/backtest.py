"""Backtests beside vectorbt and backtesting.py, where a Python with them is given: SMA crosses, next-open fills.

Usage: python benchmarks/backtest.py [--peers PYTHON] [--quick] [--json]

Cases: one symbol of 5,000 days; 100,000 minutes; 1,600 symbols of 500 days with shared cash and lots, signals given;
1,000 pairs of averages. Bars are whole-yen random walks. Ours simulates ticks, limits and the volume cap as well. Sides
take turns; a figure is the median of rounds, and a round the best run of a second. Goals with a peer need PYTHON. Exits
with 1 when a goal is missed.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
sys.path[:0] = [str(SOURCE), str(ROOT)]

from benchmarks.rig.backtest_peers import best_of  # noqa: E402
from benchmarks.rig.goals import Goal, report  # noqa: E402
from kaboom.backtest.context import Context  # noqa: E402
from kaboom.backtest.model import Fees, FillModel, Slippage  # noqa: E402
from kaboom.backtest.panel import Panel  # noqa: E402
from kaboom.backtest.run import run_bars, run_targets, run_weights  # noqa: E402
from kaboom.backtest.signals import crosses_above, indicator, weights_on_change  # noqa: E402
from kaboom.backtest.strategies.registry import SmaCross  # noqa: E402
from kaboom.backtest.sweep import run_sweep  # noqa: E402
from kaboom.market.interval import Interval  # noqa: E402

CASH = 1e7
MODEL = FillModel(fees=Fees(rate=0.001), slippage=Slippage())
CROSS = SmaCross(fast=10, slow=20)
PAIRS = [SmaCross(fast=fast, slow=slow) for fast in range(2, 42) for slow in range(45, 70)]

#: A fresh worker with compiled code on the disk: its first result, and its memory.
_FIRST = """
import sys, time; start = time.perf_counter(); sys.path.insert(0, sys.argv[1])
sys.modules["pandas"] = None  # TA-Lib loads it where it is installed, and no image has it
from kaboom.backtest.model import FillModel
from kaboom.backtest.panel import Panel
from kaboom.backtest.run import run_weights
from kaboom.backtest.strategies.registry import SmaCross
from kaboom.market.interval import Interval
import polars as pl
panel = Panel.of(pl.read_ipc(sys.argv[2]), Interval.D1)
run_weights(panel, SmaCross(), FillModel(), cash=1e7, engine="numba").summary()
seconds = time.perf_counter() - start
# Not by getrusage, which has the memory of the parent too.
print(seconds, next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


class PythonCross:
    """The same crosses, by orders of a strategy that is called for each bar."""

    def prepare(self, panel: Panel) -> None:
        """Compute both averages."""
        (fast,), (slow,) = indicator(panel, "sma", 10), indicator(panel, "sma", 20)
        self._up, self._down = crosses_above(fast, slow)[:, 0].tolist(), crosses_above(slow, fast)[:, 0].tolist()

    def on_bar(self, context: Context) -> None:
        """Follow the crosses."""
        if self._up[context.bar]:
            context.target(context.symbols[0], 1.0)
        elif self._down[context.bar]:
            context.target(context.symbols[0], 0.0)


def random_walks(bars: int, symbols: int, step: timedelta) -> pl.DataFrame:
    """Return bars of symbols that move by whole yen."""
    rng = np.random.default_rng(1)
    close = np.maximum(2000 + rng.integers(-8, 9, (bars, symbols)).cumsum(axis=0), 300).astype(float)
    opening = np.vstack([close[:1], close[:-1]])
    first = datetime(2000, 1, 3, tzinfo=UTC)
    columns = {
        "open": opening,
        "high": np.maximum(opening, close) + 2,
        "low": np.minimum(opening, close) - 2,
        "close": close,
        "volume": np.full((bars, symbols), 10_000_000),
    }
    return pl.DataFrame(
        {
            "symbol": np.repeat([str(1301 + n) for n in range(symbols)], bars),
            "opened_at": [first + step * n for n in range(bars)] * symbols,
            **{name: column.T.ravel() for name, column in columns.items()},
        }
    )


class Peers:
    """A process with the other libraries."""

    def __init__(self, python: str, folder: Path, *only: str) -> None:
        script = ROOT / "benchmarks/rig/backtest_peers.py"
        self._process = subprocess.Popen(
            [python, script, folder, *only], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.libraries = self._read().split()

    def run(self, library: str, case: str) -> tuple[float, float]:
        """Return the seconds of a run, and the most megabytes that the process has used."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{library} {case}\n")
        self._process.stdin.flush()
        seconds, megabytes = self._read().split()
        return float(seconds), float(megabytes)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def our_cases(panels: dict[str, Panel]) -> dict[str, Callable[[], Any]]:
    """Return our runs, each with indicators computed anew."""
    daily, minutes, panel = panels["daily"], panels["minutes"], panels["panel"]
    (fast,), (slow,) = indicator(panel, "sma", 10), indicator(panel, "sma", 20)
    up, down = crosses_above(fast, slow), crosses_above(slow, fast)

    def anew(which: Panel, run: Callable[[], Any]) -> Callable[[], Any]:
        def timed() -> Any:
            which.read_only.memo.clear()
            return run()

        return timed

    weight, given = 1 / panel.shape[1], CROSS.targets(minutes)
    return {
        "daily": anew(daily, lambda: run_weights(daily, CROSS, MODEL, cash=CASH, engine="numba").equity),
        "minutes": anew(minutes, lambda: run_weights(minutes, CROSS, MODEL, cash=CASH, engine="numba").equity),
        "panel": lambda: (
            run_targets(panel, weights_on_change(up, down, weight), MODEL, cash=100 * CASH, engine="numba").equity
        ),
        "sweep": anew(daily, lambda: run_sweep(daily, PAIRS, MODEL, cash=CASH, engine="numba")),
        "minutes, in Python": anew(
            minutes, lambda: run_bars(minutes, PythonCross(), MODEL.to_rules(), cash=CASH).equity
        ),
        "minutes, one numpy pass": minutes.prices[:5].sum,
        "minutes, weights given": lambda: run_targets(minutes, given, MODEL, cash=CASH, engine="numba"),
    }


def measure(ours: dict[str, Callable[[], Any]], peers: Peers | None, rounds: int) -> dict[str, dict[str, float]]:
    """Return milliseconds by case and library, and the megabytes of vectorbt with the panel."""
    found: dict[str, dict[str, list[float]]] = {}
    for case, run in ours.items():
        run()
        name = case.split(",")[0]
        libraries = [
            x for x in (peers.libraries if peers else []) if case == name and (x, case) != ("backtesting", "panel")
        ]
        for _ in range(rounds):
            times = {"ours": best_of(run)}
            for library in libraries:
                assert peers is not None
                times[library], _ = peers.run(library, case)
            for library, seconds in times.items():
                found.setdefault(case, {}).setdefault(library, []).append(1e3 * seconds)
    return {case: {library: median(times) for library, times in row.items()} for case, row in found.items()}


def panel_memory(python: str, folder: Path) -> float:
    """Return the most megabytes that a process uses for the panel with vectorbt."""
    peers = Peers(python, folder, "vectorbt")
    try:
        return peers.run("vectorbt", "panel")[1]
    finally:
        peers.close()


def our_panel_memory(folder: Path) -> float:
    """Return the same of ours."""
    code = _FIRST.replace("SmaCross()", "SmaCross(weight=1.0)")
    return _fresh(code, folder / "panel.arrow")[1]


def _fresh(code: str, bars: Path) -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", code, SOURCE, bars], check=True, capture_output=True, text=True)
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


def write_cases(folder: Path, frames: dict[str, pl.DataFrame], panels: dict[str, Panel]) -> None:
    """Write the columns of each case for the peers, and the bars for a fresh worker."""
    for case, panel in panels.items():
        names = ("open", "high", "low", "close", "volume")
        columns: dict[str, Any] = {name: panel.adjusted(name) for name in names}
        if case == "panel":
            (fast,), (slow,) = indicator(panel, "sma", 10), indicator(panel, "sma", 20)
            columns |= {"up": crosses_above(fast, slow), "down": crosses_above(slow, fast)}
        np.savez(folder / f"{case}.npz", allow_pickle=False, **columns)
        frames[case].write_ipc(folder / f"{case}.arrow")


def judge(
    rows: dict[str, dict[str, float]], first: tuple[float, float], memory: tuple[float, float] | None
) -> list[Goal]:
    """Return the goals that could be measured."""
    goals = [
        Goal(
            "100k minutes, weights given, over one numpy pass",
            _over(rows, "minutes, weights given", "minutes, one numpy pass"),
            most=15,
        ),
        Goal("warm worker: seconds to the first result", first[0], most=1.5),
        Goal("warm worker: megabytes", first[1], most=200),
    ]
    wanted = {("daily", "vectorbt"): 50, ("daily", "backtesting"): 100, ("panel", "vectorbt"): 10}
    wanted |= {("sweep", "vectorbt"): 20, ("sweep", "backtesting"): 300}
    for (case, library), least in wanted.items():
        if library in rows[case]:
            goals.append(
                Goal(f"{case}: times as fast as {library}", rows[case][library] / rows[case]["ours"], least=least)
            )
    if "backtesting" in rows["minutes"]:
        ratio = rows["minutes"]["backtesting"] / rows["minutes, in Python"]["ours"]
        goals.append(Goal("minutes, in Python: times as fast as backtesting", ratio, least=5))
    if memory:
        goals.append(Goal("panel: memory over that of vectorbt", memory[0] / memory[1], most=0.5))
    return goals


def _over(rows: dict[str, dict[str, float]], case: str, other: str) -> float:
    return rows[case]["ours"] / rows[other]["ours"]


def main() -> int:
    """Measure, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has vectorbt and backtesting")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = {"daily": (5_000, 1, 1440), "minutes": (100_000, 1, 1), "panel": (500, 1_600, 1440)}
    frames = {case: random_walks(n, m, timedelta(minutes=step)) for case, (n, m, step) in sizes.items()}
    panels = {case: Panel.of(frame, Interval.D1) for case, frame in frames.items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cases(folder, frames, panels)
        peers = Peers(options.peers, folder) if options.peers else None
        try:
            rows = measure(our_cases(panels), peers, 1 if options.quick else 5)
        finally:
            if peers:
                peers.close()
        first = min(_fresh(_FIRST, folder / "daily.arrow") for _ in range(3))
        has_vectorbt = peers is not None and "vectorbt" in peers.libraries
        memory = (our_panel_memory(folder), panel_memory(options.peers, folder)) if has_vectorbt else None
    if memory:
        rows["panel, megabytes"] = {"ours": memory[0], "vectorbt": memory[1]}
    return report(rows, judge(rows, first, memory), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
