"""Expressions such as `rsi_14 < 30` of screens and `close / sma_75` of factors: parsed and checked, without polars."""

import ast
import difflib
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Never

from kaboom.disclosures.ratios import COLUMNS as STATED_COLUMNS
from kaboom.errors import InvalidRequest
from kaboom.indicators.table import Indicator, IndicatorSpec, indicator_specs, parse_indicators
from kaboom.market.interval import Interval

MAX_LENGTH, MAX_DEPTH, MAX_COLUMNS, MAX_SYMBOLS = 1000, 20, 20, 200
#: The most sessions before the screened one that a column may need: five years.
MAX_LOOK_BACK = 1250
_MAX_PERIOD = 500
#: What is said of a text that is none, and of one that Python cannot read.
_CONDITION = (
    "expected a condition such as rsi_14 < 30",
    "the text breaks off or goes wrong here, expected a condition such as rsi_14 < 30",
)
_FORMULA = (
    "expected a column or a formula such as close / sma_75",
    "the text breaks off or goes wrong here, expected a column or a formula such as close / sma_75",
)
_BARS = ("open", "high", "low", "close", "volume", "turnover")
#: The kind of the columns of statements: of the newest that were known before the close of the session.
STATED = "stated"
_SPAN = re.compile(r"(change|high|low)_([0-9]{1,4})d|volume_(sma)_([0-9]{1,4})")
_INDICATOR = re.compile(r"([a-z]+)((?:_[0-9]{1,4})*)((?:_[a-z]+)*)")
_SPECS: Mapping[str, IndicatorSpec] = {
    spec.name: spec for spec in indicator_specs() if not spec.is_intraday and not spec.is_cumulative
}
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_SIGNS = (ast.Add, ast.Sub, ast.Mult, ast.Div)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a screen: of the session's bar, over the sessions before it, of an indicator, or of statements.

    Attributes:
        kind: a field of the bar, `turnover`, `change`, `high`, `low`, `volume_sma`, `indicator` or `stated`.
        rows: the sessions of a change, a high, a low or a mean.
        output: the place among the outputs of the indicator.

    """

    name: str
    kind: str
    rows: int = 0
    indicator: Indicator | None = None
    output: int = 0

    @property
    def rows_before(self) -> int:
        """The rows that it needs before that of the session."""
        if self.indicator is not None:
            return self.indicator.rows_before
        return self.rows - 1 if self.kind == "volume_sma" else self.rows


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression: its tree, and its columns by the name in the text."""

    text: str
    tree: ast.expr
    columns: Mapping[str, Column]

    @property
    def statements(self) -> tuple[str, ...]:
        """The columns that are of statements."""
        return tuple(column.name for column in self.columns.values() if column.kind == STATED)

    @property
    def rows_before(self) -> int:
        """The most rows that a column needs before that of the session."""
        return max((column.rows_before for column in self.columns.values()), default=0)


def parse_expression(text: str) -> Expression:
    """Return a checked expression. Nothing is evaluated.

    Raises:
        InvalidRequest: it is too long, too deep, looks back too far, or is not a condition on known columns; the
            message names the place in the text, from 1.

    """
    return _parse(text, _Check.condition, _CONDITION)


def parse_formula(text: str) -> Expression:
    """Return a checked formula: a column, or `+`, `-`, `*` and `/` of columns and numbers. Nothing is evaluated.

    Raises:
        InvalidRequest: as of `parse_expression`, or no column is in it.

    """
    found = _parse(text, _Check.number, _FORMULA)
    if not found.columns:
        _refuse(_at(1, _FORMULA[0]))
    return found


def _parse(text: str, check: "Callable[[_Check, ast.expr], None]", said: tuple[str, str]) -> Expression:
    line = re.sub(r"\s", " ", text).strip()
    if not 1 <= len(line) <= MAX_LENGTH:
        _refuse(f"expression had {len(line)} characters, expected 1 to {MAX_LENGTH}")
    try:
        with warnings.catch_warnings():
            # Python warns of texts such as `1and 2`.
            warnings.simplefilter("ignore")
            tree = ast.parse(line, mode="eval").body
    except SyntaxError as e:
        at = min(e.offset or len(line), len(line))
        _refuse(_at(at, said[1]))
    except (ValueError, RecursionError, MemoryError):
        _refuse(_at(1, said[0]))
    if (depth := _depth_of(tree)) > MAX_DEPTH:
        _refuse(f"expression was nested {depth} deep, expected at most {MAX_DEPTH}")
    found = _Check(line)
    check(found, tree)
    if len(found.columns) > MAX_COLUMNS:
        _refuse(f"expression had {len(found.columns)} columns, expected at most {MAX_COLUMNS}")
    return Expression(line, tree, found.columns)


def texts_in(node: ast.expr) -> tuple[str, ...] | None:
    """Return the texts of a text or of a list of texts; None if it is something else."""
    parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    found = [each.value for each in parts if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return tuple(found) if len(found) == len(parts) and found else None


def column_names() -> list[str]:
    """Return the columns with usual periods, as examples: any period of 1 to 500 sessions may stand in their place."""
    names = [*_BARS, "change_1d", "change_20d", "high_20d", "low_20d", "volume_sma_25", *STATED_COLUMNS]
    return names + [name for spec in _SPECS.values() for name in Indicator(spec, spec.defaults).columns]


class _Check:
    """Walks a tree, refuses what is not allowed, and notes the columns."""

    def __init__(self, line: str) -> None:
        self._line = line
        self.columns: dict[str, Column] = {}

    def condition(self, node: ast.expr) -> None:
        match node:
            case ast.BoolOp():
                for each in node.values:
                    self.condition(each)
            case ast.UnaryOp(op=ast.Not()):
                self.condition(node.operand)
            case ast.Compare(left=ast.Name(id="symbol")):
                self._symbols(node)
            case ast.Compare():
                for op in node.ops:
                    if not isinstance(op, _COMPARISONS):
                        self._refuse(node, "this comparison is not allowed, expected <, <=, >, >=, == or !=")
                for each in (node.left, *node.comparators):
                    self.number(each)
            case _:
                self._refuse(node, _CONDITION[0])

    def _symbols(self, node: ast.Compare) -> None:
        texts = texts_in(node.comparators[0])
        is_list = isinstance(node.ops[0], ast.In | ast.NotIn | ast.Eq | ast.NotEq) and len(node.ops) == 1
        if not is_list or texts is None or len(texts) > MAX_SYMBOLS or any(len(each) > 20 for each in texts):
            self._refuse(node, 'expected symbols in quotes, such as symbol in ("7203", "6758")')

    def number(self, node: ast.expr) -> None:
        match node:
            case ast.Name(id=name):
                self.columns[name] = self._column(node, name)
            case ast.Constant(value=bool() | str() | bytes() | complex() | None):
                self._refuse(node, "expected a number or a column")
            case ast.Constant(value=int() | float() as value):
                if not math.isfinite(value) or abs(value) > 1e15:
                    self._refuse(node, "expected a number up to 1e15")
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                self.number(node.operand)
            case ast.BinOp(op=op) if isinstance(op, _SIGNS):
                self.number(node.left)
                self.number(node.right)
            case _:
                self._refuse(node, "expected a number, a column, or +, -, * and / of these")

    def _column(self, node: ast.expr, name: str) -> Column:
        try:
            found = _find_column(name)
        except InvalidRequest as e:
            self._refuse(node, e.message)
        if found is None:
            if near := _nearest(name):
                self._refuse(node, f"{name[:40]} is not a column, the nearest name is {near}")
            self._refuse(node, f"{name[:40]} is not a column, expected one of {', '.join(column_names())}")
        if found.rows_before > MAX_LOOK_BACK:
            why = f"{name[:40]} looks back on {found.rows_before} sessions, at most {MAX_LOOK_BACK} are allowed"
            self._refuse(node, why)
        return found

    def _refuse(self, node: ast.expr, why: str) -> Never:
        # Python counts bytes.
        at = len(self._line.encode()[: node.col_offset].decode(errors="ignore")) + 1
        _refuse(_at(at, why))


def _at(at: int, why: str) -> str:
    return f"at character {at} of the expression: {why}"


def _refuse(message: str) -> Never:
    raise InvalidRequest(message, pointer="/expression")


def _find_column(name: str) -> Column | None:
    if name in _BARS:
        return Column(name, name)
    if name in STATED_COLUMNS:
        return Column(name, STATED)
    if found := _SPAN.fullmatch(name):
        kind, rows = (found[1], int(found[2])) if found[1] else ("volume_sma", int(found[4]))
        if not 1 <= rows <= _MAX_PERIOD:
            raise InvalidRequest(f"period of {kind} was {rows}, expected 1 to {_MAX_PERIOD}")
        return Column(name, kind, rows)
    parts = _INDICATOR.fullmatch(name)
    spec = _SPECS.get(parts[1]) if parts else None
    if parts is None or spec is None or (parts[3].removeprefix("_") not in spec.outputs):
        return None
    values = ",".join(parts[2].split("_")[1:])
    (indicator,) = parse_indicators([f"{spec.name}:{values}" if values else spec.name], Interval.D1)
    output = spec.outputs.index(parts[3].removeprefix("_"))
    return Column(indicator.columns[output], "indicator", indicator=indicator, output=output)


def _nearest(name: str) -> str | None:
    """Return the known name that is written most alike, with the numbers of the given one where they fit, if any."""
    numbers = re.findall("[0-9]+", name)
    known = column_names()
    for spec in _SPECS.values():
        if len(numbers) == len(spec.parameters):
            known += ["_".join([spec.name, *numbers, *filter(None, [output])]) for output in spec.outputs]
    known += [f"{kind}_{n}d" for kind in ("change", "high", "low") for n in numbers]
    known += [f"volume_sma_{n}" for n in numbers]
    if begun := [each for each in known if each.startswith(f"{name}_")]:
        return begun[0]
    return next(iter(difflib.get_close_matches(name.lower()[:40], known, 1)), None)


def _depth_of(tree: ast.expr) -> int:
    """Return how deep conditions and sums are nested; a chain such as `a + b + c` is nested, too."""
    deepest, left = 0, [(tree, 1)]
    while left:
        node, depth = left.pop()
        deepest = max(deepest, depth)
        left += [(child, depth + 1) for child in _expressions_in(node)]
    return deepest


def _expressions_in(node: ast.expr) -> Iterator[ast.expr]:
    return (child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))
