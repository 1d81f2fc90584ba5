"""Requests to J-Quants: paths and parameters; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from kaboom.market.indices import is_index

DAILY = "/equities/bars/daily"
MINUTES = "/equities/bars/minute"
INDICES = "/indices/bars/daily"
STATEMENTS, DIVIDENDS, ANNOUNCEMENTS = "/fins/summary", "/fins/dividend", "/fins/earnings-date"

#: At least one of three days is a session, except in closures of up to ten days.
_DAYS_PER_SESSION, _LONGEST_CLOSURE = 2, 14


@dataclass(frozen=True, slots=True)
class JquantsQuery:
    """A path and its parameters, without page."""

    path: str
    params: Mapping[str, str]


def ask_master(session: date, symbol: str | None = None) -> JquantsQuery:
    """Return the request for the issues as of a session: all, or one."""
    return JquantsQuery("/equities/master", _of(symbol) | {"date": session.isoformat()})


def ask_calendar(count: int, until: date) -> JquantsQuery:
    """Return the request for days that hold the last `count` sessions up to `until`."""
    first = until - timedelta(days=count * _DAYS_PER_SESSION + _LONGEST_CLOSURE)
    return JquantsQuery("/markets/calendar", _span(first, until))


def ask_all(path: str, session: date) -> JquantsQuery:
    """Return the request for the rows of all issues, or of all indices, on one day."""
    return JquantsQuery(path, {"date": session.isoformat()})


def ask_one(path: str, symbol: str, first: date, last: date) -> JquantsQuery:
    """Return the request for the bars of one issue or index, both ends included."""
    return JquantsQuery(path, _of(symbol) | _span(first, last))


def ask_company(path: str, symbol: str) -> JquantsQuery:
    """Return the request for all that a company has disclosed."""
    return JquantsQuery(path, _of(symbol))


def ask_files(path: str, first: date, last: date) -> JquantsQuery:
    """Return the request for the bulk files of a path's rows that hold the months of two days and those between."""
    # By month, since it is not documented whether a list by day includes the file of the month.
    return JquantsQuery("/bulk/list", {"endpoint": path, "from": f"{first:%Y-%m}", "to": f"{last:%Y-%m}"})


def ask_address(key: str) -> JquantsQuery:
    """Return the request for the address of a bulk file, which lasts five minutes."""
    return JquantsQuery("/bulk/get", {"key": key})


def code_of(symbol: str) -> str:
    """Return J-Quants' code of a symbol: five characters of an issue (`"72030"` for `"7203"`), four of an index."""
    if is_index(symbol):
        return symbol.removeprefix("^")
    return symbol if len(symbol) == len("72030") else f"{symbol}0"


def _of(symbol: str | None) -> dict[str, str]:
    return {} if symbol is None else {"code": code_of(symbol)}


def _span(first: date, last: date) -> dict[str, str]:
    return {"from": first.isoformat(), "to": last.isoformat()}
