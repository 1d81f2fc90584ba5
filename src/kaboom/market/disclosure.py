"""What companies disclose: statements of results, days of announcements, dividends; each with its moment."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from kaboom.market.calendar import JST, closes_at

#: The period of a statement of a whole fiscal year.
FULL_YEAR = "FY"


class CompanyEventKind(StrEnum):
    """The kind of an event."""

    ANNOUNCEMENT = "announcement"
    DIVIDEND = "dividend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement of results, or a change of a forecast, in yen and shares; None where the document says nothing.

    Figures are those of the fiscal year so far, of the group where there is one.

    Attributes:
        document: the provider's number of the document; a correction by the company has a number of its own.
        kind: the provider's name of the kind of document.
        period: 1Q, 2Q, 3Q or FY.
        disclosed_at: when the company disclosed it, aware UTC.
        shares: issued shares without those that the company holds itself.
        dividend: of the whole year, for a share.
        forecast_year_end: the end of the fiscal year that the forecasts are of.
        known_at: from when on it counts; the store fills it in.

    """

    symbol: str
    document: str
    kind: str
    period: str
    period_end: date | None
    year_end: date | None
    disclosed_at: datetime
    sales: float | None = None
    operating_profit: float | None = None
    ordinary_profit: float | None = None
    net_profit: float | None = None
    eps: float | None = None
    bps: float | None = None
    equity: float | None = None
    assets: float | None = None
    shares: float | None = None
    dividend: float | None = None
    forecast_year_end: date | None = None
    forecast_sales: float | None = None
    forecast_operating_profit: float | None = None
    forecast_net_profit: float | None = None
    forecast_eps: float | None = None
    forecast_dividend: float | None = None
    known_at: datetime | None = None


#: The fields of a statement that are figures.
FIGURES = tuple(field.name for field in fields(Statement) if field.type == float | None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyEvent:
    """A planned announcement of results, or a dividend.

    Attributes:
        document: the provider's number of the notice.
        subject: what the notice is about: a later notice with the same subject takes the place of this one.
        period: of an announcement 1Q, 2Q, 3Q or FY; of a dividend `interim` or `final`.
        day: of an announcement its day, of a dividend its ex-session; None if it is not fixed.
        amount: of a dividend yen for a share.
        is_withdrawn: whether the notice takes back what was said before.
        known_at: from when on it counts; the store fills it in.

    """

    symbol: str
    document: str
    kind: CompanyEventKind
    subject: str
    period: str
    day: date | None
    disclosed_at: datetime
    amount: float | None = None
    is_forecast: bool = False
    is_withdrawn: bool = False
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Disclosures:
    """What a provider has of a day or of a symbol."""

    statements: Sequence[Statement] = ()
    events: Sequence[CompanyEvent] = ()

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.statements) + len(self.events)


def end_of_day(day: date) -> datetime:
    """Return 24:00 in Japan of a day, aware UTC: what has no time of the day is known from then on."""
    return datetime.combine(day + timedelta(days=1), time(), JST).astimezone(UTC)


def decision_moment(session: date) -> datetime:
    """Return the last moment whose disclosures count in a session: just before its close.

    A decision of a session is made with its close. What is disclosed at the close or later, such as at 15:30 since
    2024-11-05, counts from the next session on.
    """
    return closes_at(session) - timedelta(microseconds=1)
