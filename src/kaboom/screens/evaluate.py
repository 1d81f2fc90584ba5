"""Evaluate an expression over a market; imported for the first screen, since it needs polars and TA-Lib."""

import ast
import asyncio
import functools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kaboom.bars.actions.adjustment import Adjustment, Wish, load_adjustment
from kaboom.bars.actions.store import ActionStore
from kaboom.bars.history import reader_at
from kaboom.bars.store import BarReader, BarStore
from kaboom.disclosures.columns import state_columns
from kaboom.disclosures.model import DisclosureStore
from kaboom.disclosures.ratios import REACH
from kaboom.drivers.clock import Clock
from kaboom.errors import InvalidRequest
from kaboom.indicators.expression import STATED, Column, Expression, parse_expression, texts_in
from kaboom.indicators.formulas import FORMULAS
from kaboom.indicators.table import Indicator
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import last_sessions, resolve_last_session
from kaboom.market.disclosure import decision_moment
from kaboom.market.indices import INDEX_MARK
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import load_universe
from kaboom.market.source import derived_source, is_derived, provider_of
from kaboom.providers.registry import get_source_spec
from kaboom.providers.spec import ProviderSpec
from kaboom.screens.model import Question

type Floats = NDArray[np.float64]
#: A symbol that did not trade in a few sessions has enough rows all the same.
_SPARE = 20
#: Rows are read in steps of a year, so that screens with other columns find the rows of the last one.
_STEP = 250
#: Shown of each symbol that passes, beside the columns of the expression.
SHOWN = ("close", "change_1d", "turnover")
_VALUES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Answer:
    """What passed.

    Attributes:
        source: whose bars most symbols have in the session: the provider's own, or those rolled up from its minutes.
        rows: `symbol`, the columns of SHOWN and those of the expression, by turnover, highest first.
        seen: how many symbols had a bar in the session.
        unknown: how many of these had too short a history to say.
        awaited: the newest closed session, if no bars of it are held and an older one was taken.

    """

    session: date
    source: str
    rows: pl.DataFrame
    seen: int
    unknown: int
    awaited: date | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """Daily bars of a market up to a session, adjusted, symbol after symbol.

    Attributes:
        values: Float64 columns of all rows.
        symbols, begins, ends: the symbols with a bar in the session, and the rows of each.
        splits: the factors of prices by symbol and ex-session, up to the session.

    """

    source: str
    values: Mapping[str, Floats]
    symbols: Sequence[str]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    splits: pl.DataFrame

    @property
    def closes(self) -> Floats:
        """The close of each symbol in the session."""
        return self.values["close"][self.ends - 1]

    def rows_of(self, most: int) -> Iterator[Mapping[str, Floats]]:
        """Yield the last rows of each symbol, at most so many."""
        for begin, end in zip(self.begins.tolist(), self.ends.tolist(), strict=True):
            first = max(begin, end - most)
            yield {name: values[first:end] for name, values in self.values.items()}


@dataclass(frozen=True, slots=True)
class Stores:
    """What is screened."""

    bars: BarStore
    actions: ActionStore
    disclosures: DisclosureStore


class Screener:
    """Screens the bars of a store; the bars of the last screen stay in memory until the store changes."""

    def __init__(self, stores: Stores, *, symbols_dir: Path, delay_s: float, clock: Clock) -> None:
        self._store = stores.bars
        self._actions = stores.actions
        self._disclosures = stores.disclosures
        self._symbols_dir = symbols_dir
        self._delay_s = delay_s
        self._clock = clock
        self._turn = asyncio.Lock()
        self._kept: tuple[tuple[object, ...], int, Panel] | None = None

    async def ask(self, question: Question, *, or_older: bool = False) -> Answer:
        """Return what passes.

        Args:
            question: what to screen.
            or_older: without a session, take the newest of which bars are held, if there are none of the newest closed.

        Raises:
            InvalidRequest: the session is not one, or no bars of it are held, or none are known as of the moment.
            StoreError: the store could not be read.

        """
        spec = get_source_spec(question.provider)
        wanted = session = await self._session_of(question, spec)
        # One at a time reads: a market of years takes some 30 MB.
        async with self._turn:
            if or_older and question.session is None and not any(await self._count(question, spec, session)):
                session = await self._newest_held(question, spec, session)
            panel = await self._panel_of(question, spec, session)
        stated = await self._stated(question, panel, session)
        listed = await asyncio.to_thread(self._listed, question, session)
        found = await asyncio.to_thread(_answer, panel, question.expression, session, stated, listed)
        return found if session == wanted else replace(found, awaited=wanted)

    async def _session_of(self, question: Question, spec: ProviderSpec) -> date:
        known = question.as_of if question.as_of and question.session is None else self._clock()
        if spec.is_tse or question.session:
            return resolve_last_session(question.session, known, is_tse=spec.is_tse, delay_s=self._delay_s)
        # Files have no calendar: their sessions are those in the store.
        return await self._newest_held(question, spec, date.max)

    async def _newest_held(self, question: Question, spec: ProviderSpec, last: date) -> date:
        """Return the newest session up to `last` of which bars are held."""
        reader = self._reader(question)
        days = [(await reader.latest(BarSeries(name, Interval.D1)))["opened_at"].dt.date() for name in _sources(spec)]
        newest = pl.concat(days).filter(pl.concat(days) <= last).max()
        if newest is None:
            raise _no_bars(spec.name, "any session")
        return cast("date", newest)

    def _reader(self, question: Question) -> BarReader:
        return reader_at(cast("BarReader", self._store), question.as_of, clock=self._clock)

    def _listed(self, question: Question, session: date) -> tuple[str, ...] | None:
        if question.market is None or not question.market.is_tse:
            return None
        found = load_universe(question.market, session, imported_dir=self._symbols_dir, known_at=question.as_of)
        return found.symbols

    async def _stated(self, question: Question, panel: Panel, session: date) -> Mapping[str, Floats]:
        """Return the columns of statements, if the expression has one: of those known before the close."""
        if not question.expression.statements:
            return {}
        as_of = decision_moment(session)
        if question.as_of is not None:
            as_of = min(as_of, question.as_of)
        source = provider_of(question.provider)
        found = await self._disclosures.list_versions(source, since=as_of - REACH, as_of=as_of)
        closes = panel.closes[None]
        columns = await asyncio.to_thread(state_columns, found, panel.symbols, [as_of], closes, panel.splits)
        return {name: values[0] for name, values in columns.items()}

    async def _panel_of(self, question: Question, spec: ProviderSpec, session: date) -> Panel:
        rows = -(-(question.expression.rows_before + 1) // _STEP) * _STEP + _SPARE
        noted = reader_at(self._actions, question.as_of, clock=self._clock)
        # Splits of later sessions were not known in this one.
        series = BarSeries(spec.name, Interval.D1)
        adjustment = await load_adjustment(noted, self._reader(question), series, (), Wish(session))
        version = await self._store.version()
        key = (version, adjustment.digest, spec.name, session, question.as_of)
        if self._kept and self._kept[0] == key and self._kept[1] >= rows:
            return self._kept[2]
        panel = await self._read(question, spec, session, rows, adjustment)
        self._kept = (key, rows, panel) if version is not None else None
        return panel

    async def _count(self, question: Question, spec: ProviderSpec, session: date) -> list[int]:
        """Return how many symbols each source holds of a session."""
        series = [BarSeries(name, Interval.D1) for name in _sources(spec)]
        return [(await self._reader(question).coverage(one, first=session, last=session)).height for one in series]

    async def _read(
        self, question: Question, spec: ProviderSpec, session: date, rows: int, adjustment: Adjustment
    ) -> Panel:
        held = await self._count(question, spec, session)
        if not any(held):
            raise _no_bars(spec.name, session)
        first = last_sessions(rows, session)[0] if spec.is_tse else session - timedelta(days=rows * 2)
        series = [BarSeries(name, Interval.D1) for name in _sources(spec)]
        bars = [await self._reader(question).read_sessions(one, first=first, last=session) for one in series]
        # Of equally many the provider's own.
        source = series[held.index(max(held))].source
        return await asyncio.to_thread(_build, source, bars, session, adjustment)


def _sources(spec: ProviderSpec) -> list[str]:
    """Return whose daily bars count: the provider's own, and those rolled up from its minutes."""
    return [spec.name] if is_derived(spec.name) else [spec.name, derived_source(provider_of(spec.name))]


def _no_bars(provider: str, session: date | str) -> InvalidRequest:
    why = f"no daily bars of {provider} are held of {session}: ingest 1d, or roll minutes up to 1d first"
    return InvalidRequest(why, pointer="/session")


def _build(source: str, frames: Sequence[pl.DataFrame], session: date, adjustment: Adjustment) -> Panel:
    """Return the panel of bars; a day of a symbol that two of the frames hold is taken from the first one."""
    bars, *others = frames
    for other in others:
        bars = pl.concat([bars, other.join(bars, on=["symbol", "opened_at"], how="anti")])
    bars = bars.filter(~pl.col("symbol").str.starts_with(INDEX_MARK)).sort("symbol", "opened_at")
    bars = adjustment.apply(bars)
    places = bars.with_row_index("n").group_by("symbol", maintain_order=True)
    spans = places.agg(begin=pl.col("n").min(), end=pl.col("n").max() + 1, last=pl.col("opened_at").max())
    spans = spans.filter(pl.col("last").dt.date() == session)
    values = {name: bars[name].cast(pl.Float64()).to_numpy() for name in _VALUES}
    begins, ends = (spans[name].cast(pl.Int64()).to_numpy() for name in ("begin", "end"))
    return Panel(source, values, spans["symbol"].to_list(), begins, ends, adjustment.actions)


def _answer(
    panel: Panel,
    expression: Expression,
    session: date,
    stated: Mapping[str, Floats],
    listed: Sequence[str] | None,
) -> Answer:
    """Return what passes; `stated` are the columns of statements, `listed` the symbols if only these count."""
    shown = {name: column for text in SHOWN for name, column in parse_expression(f"{text} > 0").columns.items()}
    columns = {**shown, **{column.name: column for column in expression.columns.values()}}
    frame = pl.DataFrame({"symbol": panel.symbols, **_compute(panel, list(columns.values()), stated)})
    if listed is not None:
        frame = frame.filter(pl.col("symbol").is_in(listed))
    names = {text: column.name for text, column in expression.columns.items()}
    passes = frame.select(passes=_condition(expression.tree, names)).to_series()
    rows = frame.filter(passes.fill_null(value=False)).sort("turnover", "symbol", descending=[True, False])
    return Answer(session, panel.source, rows, frame.height, passes.null_count())


def _compute(panel: Panel, columns: Sequence[Column], stated: Mapping[str, Floats]) -> dict[str, pl.Series]:
    """Return the values of columns in the session, by name; null where nothing says."""
    indicators: dict[str, Sequence[Floats]] = {}
    found = {}
    for column in columns:
        if column.kind == STATED:
            values = stated[column.name]
        elif (indicator := column.indicator) is None:
            values = _simple(panel, column)
        else:
            # Several outputs of one indicator are computed once.
            if indicator.label not in indicators:
                indicators[indicator.label] = _indicate(panel, indicator)
            values = indicators[indicator.label][column.output]
        found[column.name] = pl.Series(values, dtype=pl.Float64, nan_to_null=True)
    return found


def _indicate(panel: Panel, indicator: Indicator) -> Sequence[Floats]:
    formula, least = FORMULAS[indicator.spec.name], indicator.spec.lookback(indicator.values)
    found = np.full((len(indicator.columns), len(panel.symbols)), np.nan)
    for n, rows in enumerate(panel.rows_of(indicator.rows_before + 1)):
        if len(rows["close"]) > least:
            for place, values in enumerate(formula(rows, indicator.values)):
                found[place, n] = values[-1]
    return list(found)


def _simple(panel: Panel, column: Column) -> Floats:
    values, last = panel.values, panel.ends - 1
    if column.kind in values and not column.rows:
        return values[column.kind][last]
    if column.kind == "turnover":
        return values["close"][last] * values["volume"][last]
    is_known = panel.ends - panel.begins > column.rows_before
    first = np.where(is_known, last - column.rows_before, last)
    if column.kind == "change":
        return np.where(is_known, (values["close"][last] / values["close"][first] - 1) * 100, np.nan)
    of, reduce = _OVER[column.kind]
    # A high or a low is of the sessions before this one, so that a close can be above it.
    ends = panel.ends if column.kind == "volume_sma" else last
    found = np.full(len(panel.symbols), np.nan)
    for n in np.flatnonzero(is_known).tolist():
        found[n] = reduce(values[of][first[n] : ends[n]])
    return found


#: Of a column over several sessions: the field of the bar, and what is made of its values.
_OVER: Mapping[str, tuple[str, Callable[[Floats], float]]] = {
    "high": ("high", np.max),
    "low": ("low", np.min),
    "volume_sma": ("volume", np.mean),
}

_OPERATORS: Mapping[type[ast.AST], Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: lambda one, other: one / pl.when(other != 0).then(other),
}  # fmt: skip


def _condition(node: ast.expr, names: Mapping[str, str]) -> pl.Expr:
    """Return the condition of a checked tree; null where a value that decides is null."""
    match node:
        case ast.BoolOp(op=op, values=values):
            both = operator.and_ if isinstance(op, ast.And) else operator.or_
            return functools.reduce(both, (_condition(each, names) for each in values))
        case ast.UnaryOp(operand=operand):
            return ~_condition(operand, names)
        case ast.Compare(left=ast.Name(id="symbol"), ops=[op], comparators=[wanted]):
            is_one = pl.col("symbol").is_in(texts_in(wanted) or ())
            return is_one if isinstance(op, ast.In | ast.Eq) else ~is_one
        case ast.Compare(left=left, ops=ops, comparators=others):
            numbers = [_number(each, names).fill_nan(None) for each in (left, *others)]
            pairs = zip(numbers, ops, numbers[1:], strict=False)
            return functools.reduce(operator.and_, (_OPERATORS[type(op)](one, two) for one, op, two in pairs))
    raise TypeError(f"unchecked node {type(node).__name__}")


def _number(node: ast.expr, names: Mapping[str, str]) -> pl.Expr:
    match node:
        case ast.Name(id=name):
            return pl.col(names[name])
        case ast.Constant(value=int() | float() as value):
            return pl.lit(float(value))
        case ast.UnaryOp(op=op, operand=operand):
            return -_number(operand, names) if isinstance(op, ast.USub) else _number(operand, names)
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_number(left, names), _number(right, names))
    raise TypeError(f"unchecked node {type(node).__name__}")
