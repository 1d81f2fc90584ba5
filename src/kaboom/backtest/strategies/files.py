"""Strategies of your own: Python files with a class `Strategy`, loaded by a command or in their own process."""

import hashlib
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import module_from_spec, spec_from_loader
from inspect import signature
from pathlib import Path
from typing import Any

from kaboom.backtest.protection import NO_PROTECTION
from kaboom.backtest.strategies import settings
from kaboom.backtest.strategies.registry import STRATEGIES
from kaboom.backtest.strategy import BarStrategy, WeightStrategy
from kaboom.disclosures.ratios import COLUMNS
from kaboom.drivers.request import Request
from kaboom.errors import InvalidRequest

#: What files import that were written before Kaboom was one package.
_OLD_NAME = "batch.backtest.strategies.settings"

#: How much is said of where an error was raised.
_MOST_LINES, _LONGEST = 3, 1500

type AnyStrategy = WeightStrategy | BarStrategy


@dataclass(frozen=True, slots=True)
class StrategyKind:
    """A strategy before it has its parameters.

    Attributes:
        name: of the registry, or of the file without its suffix.
        parse: returns the strategy of some parameters; raises InvalidRequest if they are not allowed.
        digest: 64 hex digits of its file; empty for a strategy of the registry.
        statements: the columns of statements that it reads.

    """

    name: str
    parse: Callable[[Mapping[str, Any]], AnyStrategy]
    digest: str = ""
    statements: tuple[str, ...] = ()


def find_strategy(name: str, folder: Path | None, load: Callable[[Path], StrategyKind] | None = None) -> StrategyKind:
    """Return the strategy of a name: of the registry, else what `load` returns of the file `<name>.py` in a folder.

    Raises:
        InvalidRequest: there is no such strategy, or its file cannot be loaded.

    """
    if name in STRATEGIES:
        return StrategyKind(name, STRATEGIES[name].parse, statements=STRATEGIES[name].statements)
    if folder is None or load is None or not (folder / f"{name}.py").is_file():
        supported = ", ".join(STRATEGIES)
        raise InvalidRequest(f"strategy was {name[:40]!r}, supported are {supported}", pointer="/strategy")
    return load(folder / f"{name}.py")


def load_strategy_file(path: Path) -> StrategyKind:
    """Return the class `Strategy` of a Python file. This runs the file, with all that the user of the process may do.

    Raises:
        InvalidRequest: the file cannot be read or run, or has no such class.

    """
    try:
        source = path.read_bytes()
    except OSError as e:
        raise _not_loaded(path.name, e) from e
    return load_strategy(path, source)


def load_strategy(path: Path, source: bytes) -> StrategyKind:
    """Return the class `Strategy` of the source of a Python file. This runs it.

    Raises:
        InvalidRequest: the source cannot be run, or has no such class.

    """
    try:
        kind = _run(path, source)
    except (Exception, SystemExit) as e:  # the file may do anything
        raise _not_loaded(path.name, e) from e
    if not isinstance(kind, type):
        raise InvalidRequest(f"{path.name} has no class Strategy, expected one", pointer="/strategy")
    named = check_statements(path.name, getattr(kind, "statements", ()))
    return StrategyKind(path.stem, partial(_build, path.name, kind), hashlib.sha256(source).hexdigest(), named)


def check_statements(file: str, named: object) -> tuple[str, ...]:
    """Return the columns of statements that a strategy's file names.

    Raises:
        InvalidRequest: they are no columns of statements.

    """
    if isinstance(named, list | tuple) and all(name in COLUMNS for name in named):
        return tuple(dict.fromkeys(named))
    raise InvalidRequest(
        f"{file}: statements were {named!r:.60}, supported are {', '.join(COLUMNS)}", pointer="/strategy"
    )


def describe_lines(error: BaseException | None, file: str) -> str:
    """Return the last lines of an error's traceback that are in a strategy's file, in brackets; empty without any."""
    frames = traceback.extract_tb(error.__traceback__ if error else None)
    own = [each for each in frames if each.filename == file][-_MOST_LINES:]
    lines = "; ".join(f"{file}:{each.lineno} in {each.name}: {each.line}" for each in own)
    return f" ({lines})"[:_LONGEST] if lines else ""


def _not_loaded(file: str, error: Exception | SystemExit) -> InvalidRequest:
    return InvalidRequest(f"{file} could not be loaded: {type(error).__name__}: {error}", pointer="/strategy")


def _run(path: Path, source: bytes) -> object:
    name = f"kaboom_strategy_{hashlib.sha256(source).hexdigest()[:16]}"
    sys.modules.setdefault(_OLD_NAME, settings)
    if name not in sys.modules:
        spec = spec_from_loader(name, loader=None, origin=str(path))
        module = module_from_spec(spec)  # type: ignore[arg-type]  # there is a spec without a loader, too
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 (a file of the user's own)
        sys.modules[name] = module
    return getattr(sys.modules[name], "Strategy", None)


def _build(file: str, kind: type, parameters: Mapping[str, Any]) -> AnyStrategy:
    parse = getattr(kind, "parse", None)
    takes = signature(kind).parameters
    if (parse is None or issubclass(kind, Request)) and all(p.kind is not p.VAR_KEYWORD for p in takes.values()):
        settings.check_names(parameters, takes)
    try:
        strategy = parse(parameters) if parse else kind(**parameters)
    except TypeError as e:
        raise InvalidRequest(f"{file}: {e}", pointer="/parameters") from e
    if isinstance(strategy, BarStrategy):
        return strategy
    if hasattr(strategy, "on_bar"):
        raise InvalidRequest(f"{file}: Strategy has on_bar without prepare, expected both", pointer="/strategy")
    if not hasattr(strategy, "targets"):
        raise InvalidRequest(f"{file}: Strategy has neither targets nor on_bar, expected one", pointer="/strategy")
    if not hasattr(strategy, "protection"):
        strategy.protection = NO_PROTECTION
    found: WeightStrategy = strategy
    return found
