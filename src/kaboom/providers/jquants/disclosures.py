"""J-Quants' statements, days of announcements and dividends to ours; pure, and strict as `parse` is."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from kaboom.errors import ProviderError
from kaboom.market.calendar import JST
from kaboom.market.disclosure import FULL_YEAR, CompanyEvent, CompanyEventKind, Statement, end_of_day
from kaboom.providers.jquants.parse import Rows, ordinary_symbol

type Row = Mapping[str, Any]

#: Ours → J-Quants' name in /fins/summary. Of a full year the forecasts are those of the next one.
_ACTUALS = {
    "sales": "Sales", "operating_profit": "OP", "ordinary_profit": "OdP", "net_profit": "NP", "eps": "EPS",
    "bps": "BPS", "equity": "Eq", "assets": "TA", "dividend": "DivAnn",
}  # fmt: skip
_FORECASTS = {
    "forecast_sales": "FSales", "forecast_operating_profit": "FOP", "forecast_net_profit": "FNP",
    "forecast_eps": "FEPS", "forecast_dividend": "FDivAnn",
}  # fmt: skip
_NEXT_FORECASTS = {
    "forecast_sales": "NxFSales", "forecast_operating_profit": "NxFOP", "forecast_net_profit": "NxFNp",
    "forecast_eps": "NxFEPS", "forecast_dividend": "NxFDivAnn",
}  # fmt: skip
#: What J-Quants writes where there is no figure: nothing, or a dash where it is not fixed.
_NOTHING = frozenset({"", "-", "\N{FULLWIDTH HYPHEN-MINUS}"})
_TIME = re.compile(r"([0-9]{1,2}):([0-5][0-9])(?::([0-5][0-9]))?")
#: Japan writes half past midnight as 24:30 of the day before.
_LAST_HOUR = 29
_NEW, _CORRECTED, _DELETED = "1", "2", "3"
_TERMS = {"1": "interim", "2": "final"}
_DECIDED = "1"


def parse_statements(rows: Rows) -> list[Statement]:
    """Return the statements of ordinary shares among rows of /fins/summary.

    Raises:
        ProviderError: a field is missing, or has a value of another kind than documented.

    """
    return _parse(rows, _parse_statement)


def parse_announcements(rows: Rows) -> list[CompanyEvent]:
    """Return the planned announcements of ordinary shares among rows of /fins/earnings-date.

    Raises:
        ProviderError: as `parse_statements`.

    """
    return _parse(rows, _parse_announcement)


def parse_dividends(rows: Rows) -> list[CompanyEvent]:
    """Return the dividends of ordinary shares among rows of /fins/dividend.

    Raises:
        ProviderError: as `parse_statements`.

    """
    return _parse(rows, _parse_dividend)


def _parse[T](rows: Rows, parse: Callable[[Row, str], T]) -> list[T]:
    return [parse(row, symbol) for row in rows if (symbol := ordinary_symbol(_text(row, "Code")))]


def _parse_statement(row: Row, symbol: str) -> Statement:
    period = _text(row, "CurPerType")
    is_whole = period == FULL_YEAR and _has_any(row, _ACTUALS.values())
    forecasts, year = (_NEXT_FORECASTS, "NxtFYEn") if is_whole else (_FORECASTS, "CurFYEn")
    names = _ACTUALS | forecasts
    issued, own = _number(row, "ShOutFY"), _number(row, "TrShFY")
    figures: dict[str, Any] = {ours: _number(row, theirs) for ours, theirs in names.items()}
    return Statement(
        symbol=symbol,
        document=_text(row, "DiscNo"),
        kind=_text(row, "DocType"),
        period=period,
        period_end=_day(row, "CurPerEn"),
        year_end=_day(row, "CurFYEn"),
        disclosed_at=_moment(row, "DiscDate", "DiscTime"),
        shares=None if issued is None else issued - (own or 0),
        forecast_year_end=_day(row, year),
        **figures,
    )


def _parse_announcement(row: Row, symbol: str) -> CompanyEvent:
    period, day = _text(row, "FQ"), _needed_day(row, "PubDate")
    return CompanyEvent(
        symbol=symbol,
        document=f"{CompanyEventKind.ANNOUNCEMENT}-{period}-{day}",
        kind=CompanyEventKind.ANNOUNCEMENT,
        subject=period,
        period=period,
        day=_day(row, "SchDate"),
        disclosed_at=end_of_day(day),
    )


def _parse_dividend(row: Row, symbol: str) -> CompanyEvent:
    state, term = _text(row, "StatCode"), _text(row, "IFCode")
    if state not in {_NEW, _CORRECTED, _DELETED} or term not in _TERMS:
        raise ProviderError(
            f"jquants: a dividend had StatCode {state[:9]!r} and IFCode {term[:9]!r}, expected 1 to 3, and 1 or 2"
        )
    return CompanyEvent(
        symbol=symbol,
        document=f"{CompanyEventKind.DIVIDEND}-{_text(row, 'RefNo')}",
        kind=CompanyEventKind.DIVIDEND,
        subject=_text(row, "CARefNo"),
        period=_TERMS[term],
        day=_day(row, "ExDate"),
        disclosed_at=_moment(row, "PubDate", "PubTime"),
        amount=_number(row, "DivRate"),
        is_forecast=_text(row, "FRCode") != _DECIDED,
        is_withdrawn=state == _DELETED,
    )


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value or len(value) > 200:
        raise ProviderError(f"jquants: {name} was {str(value)[:40]!r}, expected a text", retryable=True)
    return value


def _has_any(row: Row, names: Iterable[str]) -> bool:
    return any(_number(row, name) is not None for name in names)


def _number(row: Row, name: str) -> float | None:
    if name not in row:
        raise ProviderError(f"jquants: a statement or event lacked {name}", retryable=True)
    value = row[name]
    if value is None or value in _NOTHING:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found):
        raise ProviderError(f"jquants: {name} was {str(value)[:40]!r}, expected a number", retryable=True)
    return found


def _day(row: Row, name: str) -> date | None:
    value = row.get(name)
    return None if value is None or value in _NOTHING else _needed_day(row, name)


def _needed_day(row: Row, name: str) -> date:
    value = row.get(name)
    try:
        return date.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as e:
        raise ProviderError(f"jquants: {name} was {str(value)[:40]!r}, expected YYYY-MM-DD", retryable=True) from e


def _moment(row: Row, day_name: str, time_name: str) -> datetime:
    """Return the moment of a day and a time in Japan; without a time the end of the day."""
    day, text = _needed_day(row, day_name), row.get(time_name)
    if text is None or text in _NOTHING:
        return end_of_day(day)
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None or int(found[1]) > _LAST_HOUR:
        raise ProviderError(f"jquants: {time_name} was {str(text)[:40]!r}, expected HH:MM", retryable=True)
    clock = timedelta(hours=int(found[1]), minutes=int(found[2]), seconds=int(found[3] or 0))
    return (datetime.combine(day, time(), JST) + clock).astimezone(UTC)
