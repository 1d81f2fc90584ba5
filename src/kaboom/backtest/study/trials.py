"""The combinations of a sweep: choosing them, running them, and reading the results back."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

import numpy as np
import orjson

from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.engine.kernel_build import build_kernel
from kaboom.backtest.engines import EngineName
from kaboom.backtest.panel import Panel
from kaboom.backtest.request import Scalar, SweepRequest, count_combinations
from kaboom.backtest.strategy import WeightStrategy
from kaboom.backtest.study.windows import Window
from kaboom.backtest.sweep import COLUMNS, find_engine, run_sweep
from kaboom.drivers.stop import ShouldStop, check_stop
from kaboom.errors import InvalidRequest

#: Values of a panel that are processed between two checks for a stop: some tenths of a second.
_CELLS = 2_000_000


@dataclass(frozen=True)
class TrialRunner:
    """Runs trials in each window of a panel; `trials` is how many there will be."""

    panel: Panel
    windows: tuple[Window, ...]
    request: SweepRequest
    trials: int
    _engines: list[EngineName] = field(default_factory=list)
    _parts: dict[int, Panel] = field(default_factory=dict)

    def run(self, strategies: Sequence[WeightStrategy], should_stop: ShouldStop) -> Floats:
        """Return `[windows, trials, COLUMNS]`; a trial does not depend on other trials.

        Raises:
            Stopped: `should_stop` turned true.

        """
        engine = self._choose(strategies)
        if engine == "numba":
            build_kernel(should_stop)
        step = max(1, _CELLS // (self.panel.shape[0] * self.panel.shape[1]))
        found = []
        for some in batched(strategies, step):
            rows = []
            for window in self.windows:
                check_stop(should_stop)
                until = self._until(window.train_end)
                rows.append(run_sweep(until, some, self.request.model, cash=self.request.cash, engine=engine))
            found.append(np.stack(rows))
        return np.concatenate(found, axis=1)

    def _choose(self, strategies: Sequence[WeightStrategy]) -> EngineName:
        if not self._engines:
            self._engines.append(find_engine(self.panel, strategies, runs=self.trials * len(self.windows)))
        return self._engines[0]

    def _until(self, end: int) -> Panel:
        if end not in self._parts:
            self._parts[end] = self.panel.until(end)
        return self._parts[end]


@dataclass(frozen=True, slots=True)
class TrialTable:
    """All trials of a sweep: their numbers, and `[windows, trials, COLUMNS]`."""

    numbers: tuple[int, ...]
    values: Floats

    def column(self, window: int, name: str) -> Floats:
        """Return a column of a window."""
        found: Floats = self.values[window, :, COLUMNS.index(name)]
        return found

    def best(self, window: int, metric: str, count: int) -> list[int]:
        """Return the places of the best trials of a window, best first; equal trials are sorted by number."""
        values = self.column(window, metric)
        order = np.lexsort((np.array(self.numbers), np.where(np.isnan(values), np.inf, -values)))
        return [int(place) for place in order[:count]]


def dump_trials(numbers: Sequence[int], values: Floats) -> bytes:
    """Return some trials as JSON, with every bit of their numbers."""
    return orjson.dumps({"numbers": list(numbers), "values": values.tolist()})


def load_trials(content: bytes) -> tuple[list[int], Floats]:
    """Return trials that were dumped: their numbers, and `[windows, trials, COLUMNS]`."""
    read: dict[str, Any] = orjson.loads(content)
    return read["numbers"], np.array(read["values"], dtype=np.float64)


def join_trials(parts: Mapping[str, bytes]) -> TrialTable:
    """Return the trials of some parts, by number; the order of the parts does not matter."""
    read = [load_trials(parts[name]) for name in sorted(parts)]
    numbers = np.array([number for part, _ in read for number in part], dtype=np.int64)
    values = np.concatenate([part for _, part in read], axis=1)
    order = np.argsort(numbers, kind="stable")
    return TrialTable(tuple(numbers[order].tolist()), values[:, order])


def combination(choices: Mapping[str, tuple[Scalar, ...]], number: int) -> dict[str, Scalar]:
    """Return the parameters of a combination; the last parameter changes fastest."""
    found: dict[str, Scalar] = {}
    for name, values in reversed(tuple(choices.items())):
        number, place = divmod(number, len(values))
        found[name] = values[place]
    return {name: found[name] for name in choices}


def find_trials(request: SweepRequest, parse: Callable[[Mapping[str, Any]], object]) -> tuple[int, ...]:
    """Return the numbers of the combinations to try, ascending, without those that `parse` rejects.

    If fewer are requested than there are, they are drawn at random, by the seed.

    Raises:
        InvalidRequest: no combination is allowed.

    """
    size, wanted = count_combinations(request.parameters), request.trials
    numbers = range(size)
    if wanted is not None and wanted < size:
        numbers = random.Random(request.seed).sample(numbers, min(size, 4 * wanted))  # type: ignore[assignment]  # noqa: S311 (no secret)
    found, refused = list[int](), None
    for number in numbers:
        if wanted is not None and len(found) == wanted:
            break
        try:
            parse(combination(request.parameters, number))
        except InvalidRequest as e:
            refused = e
        else:
            found.append(number)
    if not found:
        raise refused or InvalidRequest("parameters had no combination", pointer="/parameters")
    return tuple(sorted(found))
