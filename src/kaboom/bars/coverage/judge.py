"""How complete a series is over some days; the command line and the API share this judgement."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import polars as pl

from kaboom.bars.coverage.classify import CELL_SCHEMA, CoverScope, summarise_sessions
from kaboom.bars.coverage.gaps import judge_cells, load_known
from kaboom.bars.store import BarStore
from kaboom.errors import InvalidRequest
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import sessions_between
from kaboom.market.indices import INDEX_MARK, is_index
from kaboom.market.symbol import is_tse_code

_KEY = ["symbol", "session"]
_TSE = frozenset({"TSE", "XTKS", "JPX"})


@dataclass(frozen=True, slots=True)
class CoverSpan:
    """The days to judge, both included; bars are final `delay` after a session's close.

    Attributes:
        symbols: those to judge; without any, those with a bar or an entry in the fetch log in these days.
        has_calendar: whether every session of the TSE is expected; otherwise the sessions of `list_own_cells`.
        of_indices: whether only indices are judged; otherwise, if there is a calendar, all symbols but indices.
        given: the sessions of another exchange, in place of sessions derived from the bars.

    """

    first: date
    last: date
    delay: timedelta
    now: datetime
    symbols: Sequence[str] = ()
    has_calendar: bool = True
    of_indices: bool = False
    given: Sequence[date] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """The coverage of a series in `COVERAGE_SCHEMA`, and its cells in `CELL_SCHEMA`, both by symbol and session.

    `quarantined` counts the rejected rows of each session.
    """

    series: BarSeries
    held: pl.DataFrame
    cells: pl.DataFrame
    quarantined: pl.DataFrame

    def sessions(self) -> pl.DataFrame:
        """Return the rows of `summarise_sessions`, oldest first, with the number of rejected rows of each session."""
        found = summarise_sessions(self.cells).join(self.quarantined, on="session", how="left", maintain_order="left")
        return found.with_columns(pl.col("quarantined").fill_null(0))


async def judge(store: BarStore, series: BarSeries, span: CoverSpan) -> Judgement:
    """Return the state of every cell of a span; the first session is the first one with any data.

    Before that session nothing was requested, so nothing is missing there.

    Raises:
        StoreError: the store cannot be read.

    """
    known_of_all = await load_known(store, series, first=span.first, last=span.last)
    loaded, fetches = (_of_one_kind(rows, span) for rows in known_of_all)
    held = loaded.filter(pl.col("session") >= span.first)
    quarantined = await _count_quarantined(store, series, span)
    if not span.has_calendar:
        return await _judge_own(store, series, span, Judgement(series, held, loaded, quarantined), fetches)
    known = pl.concat([rows.select("symbol", "session") for rows in (held, fetches)])
    days: list[date] = known["session"].unique().sort().to_list()
    sessions = sessions_between(days[0], span.last) if days else ()
    if not sessions:
        return Judgement(series, held, pl.DataFrame(schema=CELL_SCHEMA), quarantined)
    symbols = span.symbols or known["symbol"].unique().sort().to_list()
    scope = CoverScope(symbols, sessions, span.delay, span.now)
    cells = await judge_cells(store, series, scope, held=loaded, fetches=fetches)
    return Judgement(series, held, cells, quarantined)


def _of_one_kind(rows: pl.DataFrame, span: CoverSpan) -> pl.DataFrame:
    """Return the rows of indices if they are judged, else all others, since each kind has its own first session."""
    of_indices = span.of_indices or any(map(is_index, span.symbols))
    if not span.has_calendar and not of_indices:
        return rows
    return rows.filter(pl.col("symbol").str.starts_with(INDEX_MARK) == of_indices)


async def _judge_own(
    store: BarStore, series: BarSeries, span: CoverSpan, found: Judgement, fetches: pl.DataFrame
) -> Judgement:
    """Return the judgement of bars without a calendar; `found.cells` is the coverage that `load_known` returned."""
    wanted = list_own_cells(found.held, span.given)
    if span.symbols:
        wanted = wanted.filter(pl.col("symbol").is_in(list(span.symbols)))
    if wanted.is_empty():
        return replace(found, cells=pl.DataFrame(schema=CELL_SCHEMA))
    symbols, sessions = (wanted[name].unique().sort().to_list() for name in ("symbol", "session"))
    scope = CoverScope(symbols, sessions, span.delay, span.now)
    cells = await judge_cells(store, series, scope, held=found.cells, fetches=fetches)
    return replace(found, cells=cells.join(wanted, on=["symbol", "session"], how="semi", maintain_order="left"))


async def _count_quarantined(store: BarStore, series: BarSeries, span: CoverSpan) -> pl.DataFrame:
    """Return the number of rejected rows of each session; rows without a time are not counted."""
    rows = await store.read_quarantine(series)
    counted = rows.group_by(pl.col("opened_at").dt.date().alias("session")).agg(pl.len().alias("quarantined"))
    return counted.filter(pl.col("session").is_between(span.first, span.last))


def list_own_cells(held: pl.DataFrame, given: Sequence[date] = ()) -> pl.DataFrame:
    """Return `symbol` and `session` of every cell that should be held, from the first to the last bar of each symbol.

    `held` is in `COVERAGE_SCHEMA`. Codes of the TSE have the sessions of the TSE. Other symbols have the sessions
    `given`, or the days on which any of them has a bar. Without other symbols, `given` is for the codes of the TSE.
    Days on which a symbol itself has a bar always count.
    """
    spans = held.group_by("symbol").agg(pl.col("session").min().alias("first"), pl.col("session").max().alias("last"))
    of_tse = [symbol for symbol in spans["symbol"] if is_tse_code(symbol)]
    is_tse = pl.col("symbol").is_in(of_tse)
    own = held.filter(~is_tse)["session"].unique().to_list()
    tokyo = given if given and len(of_tse) == spans.height else _tokyo_sessions(spans.filter(is_tse))
    parts = [(is_tse, tokyo), (~is_tse, given or own)]
    cells = [
        spans.filter(which)
        .join(pl.DataFrame({"session": list(days)}, schema={"session": pl.Date}), how="cross")
        .filter(pl.col("session").is_between("first", "last"))
        .select(_KEY)
        for which, days in parts
    ]
    return pl.concat([*cells, held.select(_KEY)]).unique()


def _tokyo_sessions(spans: pl.DataFrame) -> tuple[date, ...]:
    first, last = spans["first"].min(), spans["last"].max()
    return sessions_between(first, last) if isinstance(first, date) and isinstance(last, date) else ()


def load_sessions(name: str, first: date, last: date) -> tuple[date, ...]:
    """Return the sessions of an exchange, by its name in the package exchange_calendars, such as XNYS.

    Raises:
        InvalidRequest: the package is not installed, or it has no such calendar.

    """
    if name.upper() in _TSE:
        return sessions_between(first, last)
    try:
        import exchange_calendars  # noqa: PLC0415  an optional package, which loads pandas
    except ImportError as e:
        raise InvalidRequest(f"calendar {name[:20]!r} needs a package: pip install exchange-calendars") from e
    try:
        calendar = exchange_calendars.get_calendar(name.upper(), start=first.isoformat(), end=last.isoformat())
    except exchange_calendars.errors.CalendarError as e:
        raise InvalidRequest(f"calendar was {name[:20]!r}, expected a name such as XNYS or XTKS") from e
    return tuple(stamp.date() for stamp in calendar.sessions)
