"""How complete and final bars are: each cell, compared with the calendar, the symbol's history and the clock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from kaboom.bars.coverage.cells import GAPS, SUSPECTS, CellState
from kaboom.market.bar import BarFlag
from kaboom.market.calendar import closes_at

#: Without an entry in the fetch log, bars count as final when their session is this old.
UNKNOWN_FINAL_AFTER = timedelta(days=7)


def add_finality(held: pl.DataFrame, fetches: pl.DataFrame, *, delay: timedelta, now: datetime) -> pl.DataFrame:
    """Return rows of `COVERAGE_SCHEMA` with a column `is_final`, by the log in `FETCH_LOG_SCHEMA`.

    True if the provider was asked at least `delay` after the session's close, False if before. Null if there is no
    entry and the session is younger than seven days.
    """
    times = final_times(held["session"].unique(), delay)
    known = held.join(fetches.select(*_KEY, "asked_at"), on=_KEY, how="left", maintain_order="left")
    known = known.join(times, on="session", how="left", maintain_order="left")
    return known.with_columns(is_final=is_final(now)).drop("asked_at", "final_at")


def final_times(sessions: Iterable[date], delay: timedelta) -> pl.DataFrame:
    """Return `final_at` of each session: `delay` after its close."""
    days = list(sessions)
    times = [closes_at(session) + delay for session in days]
    return pl.DataFrame({"session": days, "final_at": times}, schema={"session": pl.Date, "final_at": _TIME})


def next_change(sessions: Iterable[date], delay: timedelta, now: datetime) -> datetime:
    """Return when states of cells change next because time passes: bars become final, now or by their age."""
    finals = [closes_at(session) + delay for session in sessions]
    times = (at + age for at in finals for age in (timedelta(0), UNKNOWN_FINAL_AFTER))
    return min((at for at in times if at > now), default=datetime.max.replace(tzinfo=UTC))


def is_final(now: datetime) -> pl.Expr:
    """Return whether a cell is final, from its `asked_at` and `final_at`; null if that is unknown."""
    old = pl.col("final_at") + UNKNOWN_FINAL_AFTER <= pl.lit(now).cast(_TIME)
    unknown = pl.when(old).then(pl.lit(value=True))
    return pl.when(pl.col("asked_at").is_null()).then(unknown).otherwise(pl.col("asked_at") >= pl.col("final_at"))


#: A symbol is expected to have the median of its last 20 sessions; fewer than five sessions give no median.
HISTORY_SESSIONS = 20
_LEAST_HISTORY = 5
#: A cell with less than this share of the expected bars is short.
SHORT_SHARE = 0.5
#: A session is degraded if more than this share of its symbols has no bar.
DEGRADED_SHARE = 0.05

_KEY = ["symbol", "session"]
#: More than any number of days before or after 1970.
_DAYS = 10_000_000
_TIME = pl.Datetime("us", "UTC")
_STATE = pl.Enum([state.value for state in CellState])

#: A classified cell. `expected` is the median that its bars were compared with; null if it is unknown.
CELL_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "session": pl.Date(),
        "state": _STATE,
        "bars": pl.Int64(),
        "expected": pl.Float64(),
        "first_at": _TIME,
        "last_at": _TIME,
        "flagged": pl.Int64(),
        "flags": pl.UInt16(),
        "asked_at": _TIME,
        "is_final": pl.Boolean(),
    }
)


@dataclass(frozen=True, slots=True)
class CoverScope:
    """The symbols and sessions (oldest first) that should be held; bars are final `delay` after a session's close."""

    symbols: Sequence[str]
    sessions: Sequence[date]
    delay: timedelta
    now: datetime


def classify_cells(
    held: pl.DataFrame,
    fetches: pl.DataFrame,
    scope: CoverScope,
    *,
    differing: pl.DataFrame | None = None,
    outdated: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return every cell of a scope in `CELL_SCHEMA`, sorted by symbol, then session.

    Args:
        held: the coverage of a store, in `COVERAGE_SCHEMA`, with some sessions before the scope as history.
        fetches: the fetch log, in `FETCH_LOG_SCHEMA`.
        scope: the expected symbols and sessions.
        differing: `symbol` and `session` of cells whose minutes do not add up to their day.
        outdated: `symbol` and `session` of rolled-up cells whose minutes now give other bars.

    `is_final` is explained at `add_finality`.

    """
    names = pl.Enum(sorted(set(scope.symbols)))
    # Rows of other symbols are dropped first, so that the rest is joined by one number.
    given = _number(held, names).sort("cell").with_columns(expected=_expected())
    fetched = _number(fetches, names).select("cell", "asked_at", returned="bars")
    cells = _number(list_cells(scope), names).join(given.drop(_KEY), on="cell", how="left")
    cells = _expect_more(cells, given).join(fetched, on="cell", how="left")
    cells = cells.join(final_times(scope.sessions, scope.delay), on="session")
    cells = cells.with_columns(_is_in(differing, names, "differs"), _is_in(outdated, names, "outdated"))
    cells = cells.with_columns(pl.col("bars", "flagged", "flags").fill_null(0), is_final=is_final(scope.now))
    return cells.sort("cell").with_columns(state=_state(scope)).select(list(CELL_SCHEMA)).cast(CELL_SCHEMA)


def list_cells(scope: CoverScope) -> pl.DataFrame:
    """Return `symbol` and `session` of every cell of a scope."""
    symbols = pl.DataFrame({"symbol": list(scope.symbols)}, schema={"symbol": pl.String})
    return symbols.join(pl.DataFrame({"session": list(scope.sessions)}, schema={"session": pl.Date}), how="cross")


def summarise_sessions(cells: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each session, oldest first: symbols, bars, their median, a count of each state, a verdict.

    The verdict is `pending` until the session's bars can be final, `degraded` if more than 5 % of the symbols that are
    not empty have no bar, `gaps` if any cell is a gap or a suspect, else `complete`.
    """
    counts = [(pl.col("state") == state.value).sum().alias(state.value) for state in CellState]
    found = cells.group_by("session").agg(
        pl.len().alias("symbols"),
        pl.col("bars").sum(),
        pl.col("bars").filter(pl.col("bars") > 0).median().alias("median"),
        pl.col("flagged").sum(),
        *counts,
        # Empty symbols are not listed or never trade: a list that is two years old has 7 % of them.
        (pl.col("bars") == 0).filter(pl.col("state") != CellState.EMPTY.value).mean().alias("without"),
    )
    faulty = pl.sum_horizontal(state.value for state in (*GAPS, *SUSPECTS))
    verdict = (
        pl.when(pl.col("pending") > 0)
        .then(pl.lit("pending"))
        .when(pl.col("without").fill_null(0) > DEGRADED_SHARE)
        .then(pl.lit("degraded"))
        .when(faulty > 0)
        .then(pl.lit("gaps"))
        .otherwise(pl.lit("complete"))
    )
    return found.with_columns(verdict=verdict).drop("without").sort("session")


def _number(rows: pl.DataFrame, names: pl.Enum) -> pl.DataFrame:
    """Return the rows of some symbols, with a number in `cell` that sorts like symbol and session."""
    known = rows.with_columns(pl.col("symbol").cast(names, strict=False)).filter(pl.col("symbol").is_not_null())
    symbol, session = (pl.col(name).to_physical().cast(pl.Int64) for name in _KEY)
    return known.with_columns(cell=symbol * _DAYS + session)


def _is_in(found: pl.DataFrame | None, names: pl.Enum, name: str) -> pl.Expr:
    if found is None:
        return pl.lit(value=False).alias(name)
    return pl.col("cell").is_in(_number(found, names)["cell"].implode()).alias(name)


def _expected() -> pl.Expr:
    """Return the median of the sessions before each row; if they are too few, of all sessions loaded."""
    rolling = pl.col("bars").rolling_median(HISTORY_SESSIONS, min_samples=_LEAST_HISTORY)
    before = rolling.shift(1).over("symbol").fill_nan(None)
    whole = pl.when(pl.len().over("symbol") >= _LEAST_HISTORY).then(pl.col("bars").median().over("symbol"))
    return before.fill_null(whole)


def _expect_more(cells: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    """Fill in the expected number of bars for sessions without bars, from the first bar of the symbol on."""
    without = cells.filter(pl.col("bars").is_null()).drop("expected").sort("session")
    known = given.select(*_KEY, "expected").sort("session")
    filled = without.join_asof(known, on="session", by="symbol", check_sortedness=False)
    return pl.concat([cells.filter(pl.col("bars").is_not_null()), filled.select(cells.columns)])


def _state(scope: CoverScope) -> pl.Expr:
    is_empty = pl.col("bars") == 0
    was_empty = pl.col("returned").eq(0) & pl.col("asked_at").is_not_null() & pl.col("is_final")
    auction = pl.col("flags") & int(BarFlag.AUCTION_MISSING)
    rules = {
        CellState.PENDING: pl.col("final_at") > pl.lit(scope.now).cast(_TIME),
        CellState.EMPTY: is_empty & was_empty.fill_null(value=False) & pl.col("expected").is_null(),
        CellState.MISSING: is_empty & ~was_empty.fill_null(value=False),
        CellState.LOST: (pl.col("bars") < pl.col("returned")).fill_null(value=False),
        CellState.NOT_FINAL: ~pl.col("is_final").fill_null(value=False),
        CellState.OUTDATED: pl.col("outdated"),
        CellState.SHORT: (pl.col("bars") < pl.col("expected") * SHORT_SHARE).fill_null(value=False),
        CellState.NO_AUCTION: auction != 0,
        CellState.DIFFERS: pl.col("differs"),
    }
    state = pl.lit(CellState.COMPLETE.value)
    for name, rule in reversed(rules.items()):
        state = pl.when(rule).then(pl.lit(name.value)).otherwise(state)
    return state
