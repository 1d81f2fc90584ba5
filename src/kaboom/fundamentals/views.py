"""The queries and answers of the routes of statements and events."""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from kaboom.market.disclosure import CompanyEventKind
from kaboom.market.fields import Moment
from kaboom.providers.registry import DisclosureSource

_AT = "2025-05-08T06:00:00Z"


class FundamentalsQuery(BaseModel):
    """Whose statements, and as of when."""

    model_config = ConfigDict(extra="forbid")

    provider: DisclosureSource | None = Field(default=None, description="whose; default: KABOOM_PROVIDER")
    as_of: Moment | None = Field(
        default=None,
        description="what was public at this time, with its zone, or at 00:00 in Japan of a day; default: now",
    )
    limit: int = Field(default=40, ge=1, le=400, description="the newest statements")


class MarketQuery(FundamentalsQuery):
    """Whose newest statements of all symbols, and as of when."""

    limit: int = Field(default=5000, ge=1, le=5000, description="symbols, by code")


class StatementView(BaseModel):
    """A statement: figures of the fiscal year so far, in yen and shares; null where the document says nothing."""

    symbol: str = Field(examples=["7203"])
    document: str = Field(description="the provider's number of the document", examples=["20250508557889"])
    kind: str = Field(
        description="the provider's name of the kind of document", examples=["FYFinancialStatements_Consolidated_IFRS"]
    )
    period: str = Field(description="1Q, 2Q, 3Q or FY", examples=["FY"])
    period_end: date | None = Field(examples=["2025-03-31"])
    year_end: date | None = Field(examples=["2025-03-31"])
    disclosed_at: datetime = Field(examples=[_AT])
    known_at: datetime = Field(
        description="from when on it counts; later than `disclosed_at` of figures that the provider has changed",
        examples=[_AT],
    )
    sales: float | None = Field(examples=[48_036_704_000_000])
    operating_profit: float | None = Field(examples=[4_795_586_000_000])
    ordinary_profit: float | None = Field(description="null under IFRS", examples=[None])
    net_profit: float | None = Field(examples=[4_765_086_000_000])
    eps: float | None = Field(description="profit for a share", examples=[359.56])
    bps: float | None = Field(description="equity for a share", examples=[2753.09])
    equity: float | None = Field(examples=[36_878_913_000_000])
    assets: float | None = Field(examples=[93_601_350_000_000])
    shares: float | None = Field(description="issued, without those that the company holds", examples=[13_048_000_000])
    dividend: float | None = Field(description="of the whole year, for a share", examples=[90])
    forecast_year_end: date | None = Field(
        description="the fiscal year that the forecasts are of", examples=["2026-03-31"]
    )
    forecast_sales: float | None = Field(examples=[48_500_000_000_000])
    forecast_operating_profit: float | None = Field(examples=[3_800_000_000_000])
    forecast_net_profit: float | None = Field(examples=[3_100_000_000_000])
    forecast_eps: float | None = Field(examples=[237.56])
    forecast_dividend: float | None = Field(examples=[95])


class CompanyEventView(BaseModel):
    """A planned announcement of results, or a dividend: the newest notice on it."""

    kind: CompanyEventKind = Field(examples=["announcement"])
    period: str = Field(description="1Q to FY; of a dividend interim or final", examples=["1Q"])
    day: date | None = Field(
        description="of the announcement, or the ex-session; null if it is not fixed", examples=["2025-08-07"]
    )
    amount: float | None = Field(description="of a dividend, yen for a share", examples=[None])
    is_forecast: bool = Field(examples=[False])
    disclosed_at: datetime = Field(examples=["2025-07-01T15:00:00Z"])
    known_at: datetime = Field(examples=["2025-07-01T15:00:00Z"])


class FundamentalsView(BaseModel):
    """What a company has disclosed, as of a moment."""

    symbol: str = Field(examples=["7203"])
    provider: str = Field(examples=["jquants"])
    is_real: bool = Field(description="false: made up, not of a company", examples=[True])
    as_of: datetime = Field(examples=["2025-07-02T00:00:00Z"])
    statements: list[StatementView] = Field(description="newest first")
    next_announcement: CompanyEventView | None = Field(description="the next day on which results are planned")
    events: list[CompanyEventView] = Field(description="announcements and dividends, by day")


class MarketFundamentals(BaseModel):
    """The newest statement of each symbol, as of a moment."""

    provider: str = Field(examples=["jquants"])
    is_real: bool = Field(examples=[True])
    as_of: datetime = Field(examples=["2025-07-02T00:00:00Z"])
    items: list[StatementView] = Field(description="by symbol")
