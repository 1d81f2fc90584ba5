"""The loops over target weights, compiled by numba: the only module that imports it, and only a backtest loads it.

Machine code is kept beside this file, or in NUMBA_CACHE_DIR.
"""

import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numba
import numpy as np

from batch.backtest.engine import changes, fills, sessions, sweeps, targets
from batch.backtest.engine.arrays import (
    ACCOUNT,
    EX_SESSION,
    ISSUE,
    ROW,
    STATE,
    Account,
    Floats,
    Rows,
    Sim,
    State,
    records,
)
from batch.backtest.engine.rules import MAX_STEPS, Rules
from batch.market.rules import TICKS

#: Without reference counts, which took most of the time, since nothing is allocated. Inlined, since a call passes all
#: fields of a run, which takes longer than most functions.
_njit: Any = partial(numba.njit, _nrt=False, forceinline=True)
_MODULES: tuple[ModuleType, ...] = (fills, sessions, targets, sweeps, changes)


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


def _digest() -> int:
    """Return a number that changes with the source of any function, since numba's cache checks only one file."""
    files = [Path(module.__file__ or "") for module in _MODULES]
    return zlib.crc32(b"".join(file.read_bytes() for file in files))


def _for(digest: int) -> tuple[Callable[..., None], ...]:
    """Return the three entry points, whose machine code is cached on the disk.

    The closure of a function is a part of the key of numba's cache. So `digest` is in the closure, and the compiled
    functions, which differ in each process, are globals.
    """

    def run(*arguments: Any) -> None:
        if digest >= 0:
            _simulate(*arguments)

    def run_many(*arguments: Any) -> None:
        if digest >= 0:
            _sweep(*arguments)

    def run_weigh(*arguments: Any) -> None:
        if digest >= 0:
            _weigh(*arguments)

    # Other threads, such as the one that renews a job's lease, run meanwhile.
    keep = partial(_njit, cache=True, nogil=True)
    return keep(run), keep(run_many), keep(run_weigh)


def run_compiled(sim: Sim, targets: Floats) -> Sim:
    """Run target weights `[bars, symbols]`; return the run as it ended. Of `sim`, only the curves are written."""
    packed = _pack(sim)
    _run_entry(packed, np.ascontiguousarray(targets, dtype=np.float64))
    return _unpack(sim, packed)


def sweep_compiled(sim: Sim, targets: Floats) -> Floats:
    """Run target weights `[runs, bars, symbols]`; return the summaries, `[runs, 5]`."""
    out = np.full((targets.shape[0], sweeps.COLUMNS), np.nan)
    _sweep_entry(_pack(sim), np.ascontiguousarray(targets, dtype=np.float64), out)
    return out


def _pack(sim: Sim) -> Any:
    """Return a run with records in place of tuples of arrays; its state and account are copies, its rows are new."""
    account = np.array([tuple(getattr(sim.account, name) for name in ACCOUNT.names or ())], dtype=ACCOUNT)
    rules = np.array([tuple(sim.rules)], dtype=_RULES)
    rows: Any = np.empty(sim.rows.bar.size, dtype=ROW)
    return sim._replace(
        issues=records(ISSUE, sim.issues),
        ex_sessions=records(EX_SESSION, sim.ex_sessions),
        rules=rules[0],
        state=records(STATE, sim.state),
        account=account[0],
        rows=rows,
    )


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
        "ticks": ("f8", (2, TICKS)),
        "fee_bounds": ("f8", (MAX_STEPS,)),
        "fee_values": ("f8", (MAX_STEPS,)),
    }
    plain = {"float": "f8", "bool": "?", "int": "i8"}
    kinds = {name: getattr(kind, "__name__", "") for name, kind in Rules.__annotations__.items()}
    return np.dtype([(name, *(nested.get(name) or (plain[kind],))) for name, kind in kinds.items()], align=True)


_RULES = _rules_type()
_compiled = _compile_all()
_simulate, _sweep, _weigh = _compiled["simulate"], _compiled["sweep"], _compiled["weigh"]
_run_entry, _sweep_entry, weigh_compiled = _for(_digest())
