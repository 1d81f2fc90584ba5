"""Strategies of users in a worker: their parameters and decisions are asked of their process."""

import hashlib
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kaboom.backtest.context import Context
from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.own.decisions import COLUMNS, MOST_DECISIONS, Decisions, Repeating
from kaboom.backtest.own.process import StrategyLimits, StrategyProcess
from kaboom.backtest.panel import Panel
from kaboom.backtest.protection import NO_PROTECTION, Protection
from kaboom.backtest.request import BarsAsked
from kaboom.backtest.run import find_first_decision
from kaboom.backtest.strategies.files import AnyStrategy, StrategyKind, check_statements, find_strategy
from kaboom.drivers.stop import ShouldStop
from kaboom.errors import InvalidRequest, StrategyFailed

#: A larger file is not sent.
_MOST_SOURCE = 500_000

type FindStrategy = Callable[[], StrategyKind]


@contextmanager
def open_strategy(
    name: str, request: BarsAsked, folder: Path | None, limits: StrategyLimits, should_stop: ShouldStop
) -> Iterator[FindStrategy]:
    """Yield the function that returns the strategy of a name: of the registry, or of a file in a folder.

    A file runs in a process of its own, which ends with the context. Finding it starts the process, and takes a second.
    """
    process = StrategyProcess(name, limits, should_stop)
    try:
        yield partial(find_strategy, name, folder, lambda path: _load(path, process, request))
    finally:
        process.close()


def _load(path: Path, process: StrategyProcess, request: BarsAsked) -> StrategyKind:
    try:
        source = path.read_bytes()
        text = source.decode()
    except (OSError, UnicodeDecodeError) as e:
        raise InvalidRequest(f"{path.name} could not be loaded: {type(e).__name__}: {e}", pointer="/strategy") from e
    if len(source) > _MOST_SOURCE:
        message = f"{path.name} had {len(source):,} bytes, expected at most {_MOST_SOURCE:,}"
        raise InvalidRequest(message, pointer="/strategy")
    process.start()
    found = process.ask({"do": "load", "source": text}).words
    named = check_statements(path.name, found.get("statements"))
    asked = _Asked(process, _Panels(process), request)
    return StrategyKind(path.stem, partial(_parse, asked), hashlib.sha256(source).hexdigest(), named)


def _parse(asked: "_Asked", parameters: Mapping[str, Any]) -> AnyStrategy:
    given = dict(parameters)
    words = asked.process.ask({"do": "parse", "parameters": given}).words
    values, bounds = words.get("values"), words.get("protection")
    if not isinstance(values, dict):
        raise StrategyFailed(f"strategy {asked.process.name} sent data that cannot be read: expected its parameters")
    if words.get("is_called"):
        return OwnBarStrategy(asked, given, values)
    stop_loss, take_profit = bounds if isinstance(bounds, list) and len(bounds) == 2 else (None, None)
    is_protected = stop_loss is not None or take_profit is not None
    given_bounds = {"stop_loss": stop_loss, "take_profit": take_profit}
    return OwnWeightStrategy(asked, given, values, Protection.parse(given_bounds) if is_protected else NO_PROTECTION)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The process of a strategy, the panels that it holds, and the request that it is run for."""

    process: StrategyProcess
    panels: "_Panels"
    request: BarsAsked

    def ask(self, do: str, panel: Panel, parameters: Mapping[str, Any], most_bytes: int, **more: Any) -> Any:
        number = self.panels.number_of(panel)
        words = {"do": do, "panel": number, "parameters": parameters, "seed": self.request.seed, **more}
        return self.process.ask(words, most_bytes=most_bytes).arrays


@dataclass(frozen=True, slots=True)
class OwnWeightStrategy:
    """A strategy of target weights that runs in a process of its own."""

    asked: _Asked
    parameters: Mapping[str, Any]
    values: Mapping[str, Any]
    protection: Protection

    def targets(self, panel: Panel) -> Floats:
        """Return target weights of equity, `[bars, symbols]`."""
        cells = panel.shape[0] * panel.shape[1]
        arrays = self.asked.ask("targets", panel, self.parameters, 8 * cells)
        if len(arrays) != 1 or arrays[0].shape != panel.shape or arrays[0].dtype.kind != "f":
            raise StrategyFailed(
                f"strategy {self.asked.process.name} sent data that cannot be read: expected target weights"
            )
        targets: Floats = arrays[0]
        return targets

    def to_json(self) -> Mapping[str, Any]:
        """Return its parameters."""
        return self.values


class OwnBarStrategy:
    """A strategy that is called for each bar: it is run in a process of its own, and its decisions are made again."""

    def __init__(self, asked: _Asked, parameters: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        self._asked = asked
        self._parameters = parameters
        self._values = values
        self._repeating: Repeating | None = None

    def prepare(self, panel: Panel) -> None:
        """Run the strategy on the panel, and take its decisions."""
        request, name = self._asked.request, self._asked.process.name
        most = 8 * (len(COLUMNS) * MOST_DECISIONS + 2 * panel.shape[0])
        arrays = self._asked.ask(
            "decisions",
            panel,
            self._parameters,
            most,
            model=request.model.to_json(),
            cash=request.cash,
            first=find_first_decision(panel, request),
        )
        shapes = [each.shape[1:] for each in arrays if each.dtype.kind == "f"]
        if shapes != [(len(COLUMNS),), (2,)] or len(arrays[1]) > panel.shape[0]:
            raise StrategyFailed(f"strategy {name} sent data that cannot be read: expected decisions")
        self._repeating = Repeating(name, Decisions(*arrays))

    def on_bar(self, context: Context) -> None:
        """Make the decisions of a bar."""
        if self._repeating is None:
            raise TypeError("expected prepare first")
        self._repeating.decide(context)

    def to_json(self) -> Mapping[str, Any]:
        """Return its parameters."""
        return self._values


class _Panels:
    """The panels that a process holds, by number: a panel is sent once."""

    def __init__(self, process: StrategyProcess) -> None:
        self._process = process
        self._held: dict[int, tuple[weakref.ref[Panel], int]] = {}
        self._next = 0

    def number_of(self, panel: Panel) -> int:
        """Return the number of a panel that the process holds; send it first if it does not.

        Panels that this process dropped are dropped there, and so are the oldest where they would fill its memory.
        """
        for number, (held, _) in self._held.items():
            if held() is panel:
                return number
        columns = (panel.opened_at, panel.days, panel.prices, panel.scale)
        arrays = (*columns, *panel.issues, *panel.ex_sessions, *panel.stated.values())
        size, most = sum(each.nbytes for each in arrays), self._process.limits.memory_mb << 20
        if 2 * size > most:
            raise StrategyFailed(self._process.say_memory())
        drop = [number for number, (held, _) in self._held.items() if held() is None]
        kept = {number: used for number, (_, used) in self._held.items() if number not in drop}
        while kept and 4 * (sum(kept.values()) + size) > most:
            drop.append(oldest := min(kept))
            del kept[oldest]
        for number in drop:
            del self._held[number]
        self._next += 1
        words = {"do": "keep", "panel": self._next, "drop": drop, "symbols": panel.symbols}
        self._process.ask({**words, "interval": panel.interval.value, "stated": list(panel.stated)}, arrays)
        self._held[self._next] = (weakref.ref(panel), size)
        return self._next
