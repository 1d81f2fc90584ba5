"""The loops over target weights, compiled by numba: the only module that imports it, for large backtests.

Call `kernel_build.build_kernel` before the import: then one process of the machine compiles.
"""

import os
from collections.abc import Callable
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from numba.core import caching

from kaboom.backtest.engine import fills, sessions, sweeps, targets
from kaboom.backtest.engine.arrays import (
    ACCOUNT,
    EX_SESSION,
    ISSUE,
    ROW,
    STATE,
    TICK_CLASSES,
    Account,
    Floats,
    Ints,
    Rows,
    Sim,
    State,
    records,
)
from kaboom.backtest.engine.kernel_cache import digest, kernel_folder
from kaboom.backtest.engine.rules import MAX_STEPS, Rules
from kaboom.market.rules import TICK_PERIODS, TICKS

#: Without reference counts, which took most of the time, since nothing is allocated. Inlined, since a call passes all
#: fields of a run, which takes longer than most functions.
_njit: Any = partial(numba.njit, _nrt=False, forceinline=True)
_MODULES: tuple[ModuleType, ...] = (fills, sessions, targets, sweeps)


def _compile_all() -> dict[str, Any]:
    """Return all functions of the modules, compiled so that they call each other."""
    names: dict[str, Any] = {}
    for module in _MODULES:
        names.update(vars(module))
    for module in _MODULES:
        for name, function in vars(module).items():
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                names[name] = _njit(FunctionType(function.__code__, names, name))
    return names


class _Locator:
    """Keeps machine code in our folder; numba's own locators accept folders that others can write to."""

    @classmethod
    def from_function(cls, _function: Callable[..., None], _file: str) -> "_Locator":
        return cls()

    def ensure_cache_path(self) -> None:
        """Do nothing: `kernel_folder` made the folder."""

    def get_cache_path(self) -> str:
        return str(_FOLDER)

    def get_source_stamp(self) -> str:
        # Of all sources: numba's own is of the file of the function.
        return digest()

    def get_disambiguator(self) -> str:
        return "1"


class _Entry(caching.CompileResultCacheImpl):
    _locator_classes: list[type[object]] = [_Locator]  # noqa: RUF012 (of an instance, says numba)

    def check_cachable(self, cres: Any) -> bool:
        # The folder of an image is only read.
        return os.access(_FOLDER or "", os.W_OK) and bool(super().check_cachable(cres))  # type: ignore[no-untyped-call]


class _Cache(caching.FunctionCache):
    _impl_class = _Entry


def _keep(function: Callable[..., None]) -> Any:
    """Return an entry point, whose machine code is kept on the disk."""
    # Other threads, such as the one that renews a job's lease, run meanwhile.
    entry = _njit(function, nogil=True)
    if _FOLDER:
        entry._cache = _Cache(function)  # type: ignore[no-untyped-call]  # noqa: SLF001 (what its option `cache` sets)
    return entry


# The compiled functions differ in each process, so they are globals, which are no part of the key of numba's cache.
def _run_entry(*arguments: Any) -> None:
    _simulate(*arguments)


def _sweep_entry(*arguments: Any) -> None:
    _sweep(*arguments)


def _weigh_entry(*arguments: Any) -> None:
    _weigh(*arguments)


def run_compiled(sim: Sim, targets: Floats) -> Sim:
    """Run target weights `[bars, symbols]`; return the run as it ended. Of `sim`, only the curves are written."""
    packed = _pack(sim)
    run_entry(packed, _plain(np.asarray(targets, dtype=np.float64)))
    return _unpack(sim, packed)


def sweep_compiled(sim: Sim, targets: Floats) -> Floats:
    """Run target weights `[runs, bars, symbols]`; return the summaries, `[runs, 5]`."""
    out = np.full((targets.shape[0], sweeps.COLUMNS), np.nan)
    sweep_entry(_pack(sim), _plain(np.asarray(targets, dtype=np.float64)), out)
    return out


def _pack(sim: Sim) -> Any:
    """Return a run with records in place of tuples of arrays; its state and account are copies, its rows are new."""
    account = np.array([tuple(getattr(sim.account, name) for name in ACCOUNT.names or ())], dtype=ACCOUNT)
    rules = np.array([tuple(sim.rules)], dtype=_RULES)
    rows: Any = np.empty(sim.rows.bar.size, dtype=ROW)
    return sim._replace(
        prices=_plain(sim.prices),
        limits=_plain(sim.limits),
        days=_plain(sim.days),
        tick_periods=_plain(sim.tick_periods),
        tax_years=_plain(sim.tax_years),
        issues=records(ISSUE, sim.issues),
        ex_sessions=records(EX_SESSION, sim.ex_sessions),
        rules=rules[0],
        state=records(STATE, sim.state),
        account=account[0],
        rows=rows,
    )


def _plain(values: Floats | Ints) -> Any:
    """Return an array of the one type that is compiled: contiguous, writable, and of 64-bit floats or integers."""
    kind = np.int64 if np.issubdtype(values.dtype, np.integer) else np.float64
    return np.require(values, dtype=kind, requirements=["C", "W"])


def _unpack(sim: Sim, packed: Any) -> Sim:
    values = {name: packed.account[name].item() for name in ACCOUNT.names or ()}
    return sim._replace(
        state=State(*(packed.state[name] for name in STATE.names or ())),
        account=Account(**values),
        curves=packed.curves,
        rows=Rows(*(packed.rows[name] for name in ROW.names or ())),
    )


def _rules_type() -> np.dtype[Any]:
    nested = {
        "tick_bounds": ("f8", (TICKS - 1,)),
        "ticks": ("f8", (TICK_PERIODS * TICK_CLASSES, TICKS)),
        "fee_bounds": ("f8", (MAX_STEPS,)),
        "fee_values": ("f8", (MAX_STEPS,)),
    }
    plain = {"float": "f8", "bool": "?", "int": "i8"}
    kinds = {name: getattr(kind, "__name__", "") for name, kind in Rules.__annotations__.items()}
    return np.dtype([(name, *(nested.get(name) or (plain[kind],))) for name, kind in kinds.items()], align=True)


_FOLDER = kernel_folder()
_RULES = _rules_type()
_compiled = _compile_all()
_simulate, _sweep, _weigh = _compiled["simulate"], _compiled["sweep"], _compiled["weigh"]
run_entry, sweep_entry, weigh_compiled = map(_keep, (_run_entry, _sweep_entry, _weigh_entry))
