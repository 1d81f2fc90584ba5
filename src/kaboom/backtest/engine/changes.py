"""Target weights at the bars where a position begins or ends.

Compiled by `kernel`, like `fills`.
"""

from typing import Any

from kaboom.backtest.engine.arrays import Floats


def weigh(enter: Any, short: Any, leave: Any, weight: float, side: Floats, out: Floats) -> None:
    """Write weights at the bars where the side of a symbol changes into `out`.

    `out` and the signals are `[bars, symbols]`, flattened row by row. The first of the signals that is true counts.
    `side` is 1 for each symbol held long, -1 for short, else 0.
    """
    for cell in range(out.size):
        if enter[cell] or short[cell] or leave[cell]:
            now = 1.0 if enter[cell] else -1.0 if short[cell] else 0.0
            symbol = cell % side.size
            if now != side[symbol]:
                side[symbol] = now
                out[cell] = now * weight
