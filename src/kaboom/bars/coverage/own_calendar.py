"""The sessions of bars without a calendar: those of the TSE for its codes, the days with bars for other symbols."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from kaboom.errors import InvalidRequest
from kaboom.market.calendar import sessions_between
from kaboom.market.symbol import is_tse_code

_KEY = ["symbol", "session"]
_TSE = frozenset({"TSE", "XTKS", "JPX"})


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
