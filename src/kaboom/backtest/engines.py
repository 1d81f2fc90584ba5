"""The choice between compiled code and Python, by the size of the work; both give the same bytes."""

from typing import Literal

import numpy as np

from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.engine.kernel_cache import has_numba
from kaboom.backtest.protection import Protection
from kaboom.errors import ConfigurationError

type EngineName = Literal["numba", "python"]
type Engine = Literal["auto"] | EngineName

#: Work that takes Python longer is compiled: loading compiled code takes as long, and compiling it ten times as long.
PYTHON_S = 1.0
#: What Python takes for a bar, a weight, and a bar of a symbol with a stop or short positions (decision 0086).
_BAR_S, _WEIGHT_S, _CHECK_S = 0.5e-6, 150e-6, 10e-6


def choose_engine(engine: Engine, targets: Floats, protection: Protection, *, runs: int = 1) -> EngineName:
    """Return the engine for a number of runs with target weights like these, `[bars, symbols]`.

    The choice depends on nothing else, so that a repetition runs on the same engine.

    Raises:
        ConfigurationError: compiled code was requested, and numba is not installed.

    """
    if engine == "numba" and not has_numba():
        raise ConfigurationError("engine was numba, which is not installed: install the extra `backtest` of kaboom-api")
    if engine != "auto":
        return engine
    is_large = runs * estimate_s(targets, protection) > PYTHON_S
    return "numba" if is_large and has_numba() else "python"


def estimate_s(targets: Floats, protection: Protection) -> float:
    """Return about how many seconds Python takes for a run; more rather than less."""
    bars, weights = targets.shape[0], targets.size - int(np.count_nonzero(np.isnan(targets)))
    is_checked = protection.stop_loss is not None or protection.take_profit is not None
    is_checked = is_checked or bool(np.fmin.reduce(targets, axis=None, initial=0.0) < 0)
    checks = targets.size if is_checked else 0
    return float(bars * _BAR_S + weights * _WEIGHT_S + checks * _CHECK_S)
