"""Compile the fill model of backtests, so that no backtest waits for it: `python -m kaboom.backtest.compile_kernel`.

`make setup` and a worker at its start run it. It does nothing without numba, or if the machine code is there.
"""

import os
import sys
import threading

from kaboom.backtest.engine.kernel_build import kernel_lock
from kaboom.backtest.engine.kernel_cache import has_numba, is_built, kernel_folder, mark_built


def main(arguments: list[str]) -> int:
    """Compile the kernel, alone among the processes that use its folder; return the exit code."""
    if "--with-parent" in arguments:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    folder = kernel_folder() if has_numba() else None
    if folder is None or is_built(folder):
        return 0
    with kernel_lock(folder):
        if not is_built(folder):
            _compile()
            mark_built(folder)
            sys.stdout.write("compiled the fill model of backtests\n")
    return 0


def _compile() -> None:
    """Call each entry of the kernel; numba saves what it compiles."""
    # Imported first: what runs below would start this program otherwise.
    from kaboom.backtest.engine import kernel  # noqa: F401, PLC0415  not before the lock is held
    from kaboom.backtest.model import FillModel  # noqa: PLC0415  the same
    from kaboom.backtest.run import run_weights  # noqa: PLC0415  the same
    from kaboom.backtest.strategies.registry import SmaCross  # noqa: PLC0415  the same
    from kaboom.backtest.study.made_up import make_panel  # noqa: PLC0415  the same
    from kaboom.backtest.sweep import run_sweep  # noqa: PLC0415  the same

    panel, strategy = make_panel(symbols=1, bars=100), SmaCross(fast=2, slow=5)
    run_weights(panel, strategy, FillModel(), cash=1e7, engine="numba")
    run_sweep(panel, [strategy], FillModel(), cash=1e7, engine="numba")


def _end_with_parent() -> None:
    # The read ends when the parent does. The lock ends with this process, so the next one compiles.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
