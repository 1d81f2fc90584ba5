"""Runs the cases of benchmarks/backtest.py with vectorbt and backtesting.py, in a Python that has them.

Usage: PYTHON benchmarks/rig/backtest_peers.py FOLDER   (the folder has an .npz file of columns for each case)

Prints the names of the libraries that it found. Then takes lines `LIBRARY CASE` from stdin, and prints the seconds of
each run and the megabytes that the process has used at most. With a name behind FOLDER, it loads that library alone.
"""

import contextlib
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FAST, SLOW, FEE, CASH = 10, 20, 0.001, 1e7
#: backtesting.py runs so many of the 1,000 parameters; the rest is scaled.
SOME = 40


def load(folder: Path, case: str) -> dict[str, Any]:
    """Return the columns of a case as frames with daily stamps."""
    with np.load(folder / f"{case}.npz") as file:
        columns = {name: file[name] for name in file.files}
    import pandas as pd  # noqa: PLC0415 (the side that is measured has none)

    days = pd.date_range("2000-01-01", periods=len(columns["close"]), freq="min" if case == "minutes" else "D")
    return {name: pd.DataFrame(column, index=days) for name, column in columns.items()}


def vectorbt_cases(folder: Path) -> dict[str, Callable[[], Any]]:
    """Return the runs of vectorbt."""
    import vectorbt as vbt  # noqa: PLC0415 (where it is installed)

    daily, minutes, panel = (load(folder, case) for case in ("daily", "minutes", "panel"))

    def cross(frames: dict[str, Any]) -> Any:
        close = frames["close"][0]
        fast, slow = vbt.MA.run(close, FAST), vbt.MA.run(close, SLOW)
        up, down = fast.ma_crossed_above(slow), fast.ma_crossed_below(slow)
        return vbt.Portfolio.from_signals(
            close,
            up.vbt.fshift(1),
            down.vbt.fshift(1),
            price=frames["open"][0],
            fees=FEE,
            init_cash=CASH,
            size_granularity=100,
        ).value()

    up, down = panel["up"].astype(bool), panel["down"].astype(bool)

    def shared() -> Any:
        return vbt.Portfolio.from_signals(
            panel["close"],
            up.vbt.fshift(1),
            down.vbt.fshift(1),
            price=panel["open"],
            size=1 / panel["close"].shape[1],
            size_type="percent",
            fees=FEE,
            init_cash=100 * CASH,
            size_granularity=100,
            cash_sharing=True,
            group_by=True,
        ).value()

    def sweep() -> Any:
        close = daily["close"][0]
        pairs = [(f, s) for f in range(2, 42) for s in range(45, 70)]
        fast = vbt.MA.run(close, [f for f, _ in pairs], short_name="fast")
        slow = vbt.MA.run(close, [s for _, s in pairs], short_name="slow")
        up, down = fast.ma_crossed_above(slow), fast.ma_crossed_below(slow)
        return vbt.Portfolio.from_signals(
            close, up.vbt.fshift(1), down.vbt.fshift(1), price=daily["open"][0], fees=FEE, init_cash=CASH
        ).total_return()

    return {
        "daily": lambda: cross(daily),
        "minutes": lambda: cross(minutes),
        "panel": shared,
        "sweep": sweep,
    }


def backtesting_cases(folder: Path) -> dict[str, Callable[[], Any]]:
    """Return the runs of backtesting.py."""
    from backtesting import Backtest, Strategy, backtesting  # noqa: PLC0415 (where it is installed)
    from backtesting.lib import crossover  # noqa: PLC0415 (the same)

    # Without its progress bar, which costs it time.
    backtesting._tqdm = lambda steps, **_: steps  # noqa: SLF001 (it has no switch)

    class Cross(Strategy):  # type: ignore[misc]
        fast, slow = FAST, SLOW

        def init(self) -> None:
            self.a = self.I(_mean, self.data.Close, self.fast)
            self.b = self.I(_mean, self.data.Close, self.slow)

        def next(self) -> None:
            if crossover(self.a, self.b):
                self.buy()
            elif crossover(self.b, self.a):
                self.position.close()

    def test(case: str) -> Any:
        frames = load(folder, case)

        names = ("open", "high", "low", "close", "volume")
        bars = frames["open"].assign(**{name.title(): frames[name][0] for name in names})[
            [name.title() for name in names]
        ]
        return Backtest(bars, Cross, cash=CASH, commission=FEE)

    daily, minutes = test("daily"), test("minutes")

    def some() -> None:
        for n in range(SOME):
            daily.run(fast=2 + n, slow=45)

    return {"daily": daily.run, "minutes": minutes.run, "sweep": some}


def _mean(values: Any, period: int) -> Any:

    return values.s.rolling(period).mean()


def best_of(run: Callable[[], Any]) -> float:
    """Return the seconds of the quickest of the runs that begin within a second, after one that does not count."""
    run()
    times: list[float] = []
    end = time.perf_counter() + 1
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def most_megabytes() -> float:
    """Return the most memory that this process has used; getrusage has that of its parent too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def main() -> None:
    """Serve runs until stdin ends."""
    warnings.simplefilter("ignore")
    answers, sys.stdout = sys.stdout, sys.stderr
    folder, cases = Path(sys.argv[1]), {}
    builders = {"vectorbt": vectorbt_cases, "backtesting": backtesting_cases}
    for library in sys.argv[2:] or builders:
        with contextlib.suppress(ImportError):
            cases[library] = builders[library](folder)
    print(*cases, file=answers, flush=True)
    for line in sys.stdin:
        library, case = line.split()
        spent = best_of(cases[library][case])
        scale = 1000 / SOME if (library, case) == ("backtesting", "sweep") else 1
        print(spent * scale, most_megabytes(), file=answers, flush=True)


if __name__ == "__main__":
    main()
