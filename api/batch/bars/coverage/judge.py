"""How complete a series is over some days: the one judgement of the command line and of the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from batch.bars.coverage.classify import CELL_SCHEMA, CoverScope, summarise_sessions
from batch.bars.coverage.gaps import judge_cells, load_known
from batch.bars.store import BarStore
from batch.market.bar import BarSeries
from batch.market.calendar import sessions_between


@dataclass(frozen=True, slots=True)
class CoverSpan:
    """The days to judge, both included; bars are final `delay` after a session's close.

    Attributes:
        symbols: those to judge; without any, all that have a bar or an entry in the fetch log in these days.
        has_calendar: whether every session of the TSE is expected; otherwise only days with any data are.

    """

    first: date
    last: date
    delay: timedelta
    now: datetime
    symbols: Sequence[str] = ()
    has_calendar: bool = True


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is held of a series in `COVERAGE_SCHEMA`, and its cells in `CELL_SCHEMA`, both by symbol and session."""

    series: BarSeries
    held: pl.DataFrame
    cells: pl.DataFrame

    def sessions(self) -> pl.DataFrame:
        """Return the verdict on each session, oldest first, as `summarise_sessions` says."""
        return summarise_sessions(self.cells)


async def judge(store: BarStore, series: BarSeries, span: CoverSpan) -> Judgement:
    """Return the state of every cell of a span, from the first session with any data on.

    Before that session nothing was requested, so nothing is missing there.

    Raises:
        StoreError: the store cannot be read.

    """
    loaded, fetches = await load_known(store, series, first=span.first, last=span.last)
    held = loaded.filter(pl.col("session") >= span.first)
    known = pl.concat([rows.select("symbol", "session") for rows in (held, fetches)])
    days: list[date] = known["session"].unique().sort().to_list()
    sessions = sessions_between(days[0], span.last) if days and span.has_calendar else days
    if not sessions:
        return Judgement(series, held, pl.DataFrame(schema=CELL_SCHEMA))
    symbols = span.symbols or known["symbol"].unique().sort().to_list()
    scope = CoverScope(symbols, sessions, span.delay, span.now)
    return Judgement(series, held, await judge_cells(store, series, scope, held=loaded, fetches=fetches))
