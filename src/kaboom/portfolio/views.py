"""The answers of the portfolio routes; amounts are yen as decimal text."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from kaboom.portfolio.book import Book
from kaboom.portfolio.entry import Entry, EntryKind
from kaboom.portfolio.history import EquityDay
from kaboom.portfolio.model import Portfolio
from kaboom.portfolio.money import format_yen
from kaboom.portfolio.performance import Performance
from kaboom.portfolio.position import Position
from kaboom.portfolio.postings import Account
from kaboom.portfolio.valuation import Valuation, ValuedPosition
from kaboom.providers.registry import get_source_spec
from kaboom.web.routers import example_of

_Yen = Annotated[Decimal, PlainSerializer(format_yen, return_type=str)]


class PortfolioView(BaseModel):
    """A portfolio in yen."""

    id: str = Field(examples=["3f1c0f5a6b4a9d8e2f3b4c5d6e7f8090"])
    name: str = Field(examples=["日本株"])
    provider: str = Field(description="whose bars and corporate actions value it", examples=["synthetic"])
    is_real: bool = Field(description="false: the provider makes its bars up", examples=[False])
    lot: int = Field(examples=[100])
    cash: _Yen = Field(examples=["717050"])
    entries: int = Field(examples=[3])
    created_at: AwareDatetime = Field(examples=["2025-11-04T07:02:11Z"])
    created_by: str = Field(examples=["usr_5a1c0f5a6b4a9d8e2f3b4c5d6e7f8090"])


class PortfolioList(BaseModel):
    """All portfolios, by name."""

    items: list[PortfolioView]


class EntryView(BaseModel):
    """A trade, a cash movement, or a reversal of either; only trades have `quantity`, `price` and `fee`."""

    id: str = Field(examples=["9d8e2f3b4c5d6e7f80903f1c0f5a6b4a"])
    place: int = Field(examples=[2])
    day: date = Field(examples=["2025-11-04"])
    kind: EntryKind = Field(examples=["buy"])
    symbol: str | None = Field(examples=["7203"])
    quantity: int | None = Field(examples=[200])
    price: _Yen | None = Field(examples=["2841.5"])
    fee: _Yen | None = Field(examples=["275"])
    amount: _Yen = Field(description="of a trade, quantity times price", examples=["568300"])
    note: str = Field(examples=[""])
    reverses: str | None = Field(description="the entry that it takes back")
    reversed_by: str | None = Field(description="the entry that takes it back")
    created_at: AwareDatetime = Field(examples=["2025-11-04T07:02:11Z"])
    created_by: str = Field(examples=["usr_5a1c0f5a6b4a9d8e2f3b4c5d6e7f8090"])


_MOVEMENT: dict[str, Any] = example_of(EntryView) | {
    "id": "5c6d7e8f80903f1c0f5a6b4a9d8e2f3b", "place": 1, "kind": "deposit", "amount": "1000000",
    **dict.fromkeys(("symbol", "quantity", "price", "fee")),
}  # fmt: skip
_DIVIDEND: dict[str, Any] = _MOVEMENT | {
    "place": 4, "day": "2025-11-05", "kind": "dividend", "symbol": "7203", "amount": "4500", "note": "100 shares at 45",
}  # fmt: skip


class TradePage(BaseModel):
    """Trades and their reversals, newest first."""

    items: list[EntryView]
    next_cursor: str | None


class CashPage(BaseModel):
    """Cash movements other than trades and their reversals, newest first, and the balance of every account."""

    cash: _Yen = Field(examples=["717050"])
    accounts: dict[Account, _Yen] = Field(
        description="they add up to zero; what is held is positive",
        examples=[
            {
                "cash": "717050",
                "capital": "-1000000",
                "securities": "282400",
                "income": "0",
                "fees": "550",
                "taxes": "0",
            }
        ],
    )
    items: list[EntryView] = Field(examples=[[_MOVEMENT]])
    next_cursor: str | None


class BookedDividends(BaseModel):
    """The dividends that this request booked, oldest first, without those booked before."""

    items: list[EntryView] = Field(examples=[[_DIVIDEND]])


class LotView(BaseModel):
    """The remaining shares of one buy."""

    model_config = ConfigDict(from_attributes=True)

    bought_on: date = Field(examples=["2025-11-04"])
    quantity: int = Field(examples=[100])
    cost: _Yen = Field(examples=["284287.5"])


class _Held(BaseModel):
    symbol: str = Field(examples=["7203"])
    quantity: int = Field(examples=[100])
    average_cost: _Yen = Field(
        description="of a share, by the moving average, fees of buys included", examples=["2842.875"]
    )
    cost: _Yen = Field(description="of all shares, likewise", examples=["284287.5"])
    realised: _Yen = Field(description="earned by sells, by the moving average", examples=["1337.5"])
    realised_fifo: _Yen = Field(description="earned by sells, by FIFO", examples=["1337.5"])
    income: _Yen = Field(description="dividends and payments for fractions", examples=["0"])


class PositionView(_Held):
    """A position with its FIFO lots, oldest first."""

    lots: list[LotView]


class _Totals(BaseModel):
    cash: _Yen = Field(examples=["717050"])
    net_deposits: _Yen = Field(description="paid in and not out again", examples=["1000000"])
    realised: _Yen = Field(examples=["1337.5"])
    income: _Yen = Field(examples=["0"])
    costs: _Yen = Field(description="fees and taxes that are not of a trade", examples=["0"])


class PositionList(_Totals):
    """The positions, by symbol."""

    items: list[PositionView]


class PriceView(BaseModel):
    """An unadjusted close."""

    model_config = ConfigDict(from_attributes=True)

    close: _Yen = Field(examples=["2860"])
    session: date = Field(examples=["2025-11-05"])
    at: AwareDatetime = Field(examples=["2025-11-05T06:30:00Z"])
    interval: str = Field(examples=["1d"])
    source: str = Field(examples=["synthetic"])
    is_final: bool | None = Field(
        description="false: the provider may change it; null if that is unknown", examples=[True]
    )


class ValuedView(_Held):
    """A position at its latest close; `price`, `value` and `unrealised` are null if it has no close."""

    price: PriceView | None
    value: _Yen | None = Field(examples=["286000"])
    unrealised: _Yen | None = Field(examples=["1712.5"])
    previous: _Yen | None = Field(
        default=None,
        description="the close of the session before, adjusted for a split; null if unknown",
        examples=["2841.5"],
    )
    change: _Yen | None = Field(
        default=None, description="of the value since that close, for the shares of today", examples=["1850"]
    )
    weight: float | None = Field(
        default=None,
        description="value as a share of the portfolio's equity; null if that is unknown",
        examples=[0.2851],
    )


class _Valued(BaseModel):
    provider: str = Field(examples=["synthetic"])
    is_real: bool = Field(examples=[False])


class ValuationView(_Valued, _Totals):
    """The value of a portfolio; `value`, `equity`, `unrealised` and `profit` are null if a position has no price."""

    cost: _Yen = Field(examples=["284287.5"])
    value: _Yen | None = Field(examples=["286000"])
    equity: _Yen | None = Field(description="cash and value", examples=["1003050"])
    unrealised: _Yen | None = Field(examples=["1712.5"])
    profit: _Yen | None = Field(description="equity beyond what was paid in", examples=["3050"])
    unpriced: list[str] = Field(examples=[[]])
    items: list[ValuedView]


class EquityRow(BaseModel):
    """A portfolio at the close of one session."""

    model_config = ConfigDict(from_attributes=True)

    day: date = Field(examples=["2025-11-05"])
    cash: _Yen = Field(examples=["717050"])
    value: _Yen | None = Field(examples=["286000"])
    equity: _Yen | None = Field(examples=["1003050"])
    net_deposits: _Yen = Field(examples=["1000000"])
    stale: int = Field(
        description="positions without a close on this day, valued at an older one or not at all", examples=[0]
    )


class EquityHistory(_Valued):
    """A portfolio by session, oldest first."""

    items: list[EquityRow]


class PerformanceRow(BaseModel):
    """A portfolio and its benchmark at the close of a session: what 1 has become."""

    model_config = ConfigDict(from_attributes=True)

    day: date = Field(examples=["2025-11-05"])
    growth: float = Field(description="without the effect of deposits and withdrawals", examples=[1.00305])
    drawdown: float = Field(description="below the highest growth so far, as a share: 0 or less", examples=[0.0])
    benchmark: float | None = Field(examples=[1.0021])


class ContributionView(BaseModel):
    """What a symbol has earned."""

    symbol: str | None = Field(
        description="null for cash: interest, and fees that are not of a trade", examples=["7203"]
    )
    gain: _Yen = Field(description="realised and not, with dividends", examples=["3050"])
    share: float = Field(description="its part of the time-weighted return", examples=[0.00305])


class PerformanceView(_Valued):
    """The performance of a portfolio between two closes; shares are not in percent."""

    first: date | None = Field(
        description="null without a session on which the value is known", examples=["2025-11-04"]
    )
    last: date | None = Field(examples=["2025-11-05"])
    time_weighted: float | None = Field(
        description="return of the whole time, without the effect of deposits and withdrawals", examples=[0.00305]
    )
    money_weighted: float | None = Field(
        description="return in a year of the money that was paid in (XIRR); null for less than 30 days",
        examples=[0.041],
    )
    max_drawdown: float | None = Field(description="the deepest one: 0 or less", examples=[-0.012])
    last_day: float | None = Field(description="return of the last session", examples=[0.0018])
    benchmark: str | None = Field(
        description="what stands for TOPIX: the index if it has bars, else a fund; its price, without dividends",
        examples=["1306"],
    )
    benchmark_return: float | None = Field(description="between the same closes", examples=[0.0021])
    alpha: float | None = Field(description="return in a year that beta does not explain", examples=[0.012])
    beta: float | None = Field(examples=[0.84])
    tracking_error: float | None = Field(description="in a year of 244 sessions", examples=[0.061])
    information_ratio: float | None = Field(description="in a year of 244 sessions", examples=[0.42])
    up_capture: float | None = Field(description="of sessions in which the benchmark rose", examples=[0.91])
    down_capture: float | None = Field(description="of sessions in which the benchmark fell", examples=[0.77])
    items: list[PerformanceRow] = Field(description="the first one is the base, unless the portfolio begins with it")
    contributions: list[ContributionView] = Field(description="they add up to `time_weighted`")


_AGAINST = ("alpha", "beta", "tracking_error", "information_ratio", "up_capture", "down_capture")


def view_portfolio(portfolio: Portfolio) -> PortfolioView:
    """Return a portfolio as the API shows it."""
    return PortfolioView(
        id=portfolio.portfolio_id,
        name=portfolio.name,
        **_source(portfolio),
        lot=portfolio.lot,
        cash=portfolio.cash,
        entries=portfolio.entries,
        created_at=portfolio.created_at,
        created_by=portfolio.created_by,
    )


def view_entry(entry: Entry, reversed_by: Mapping[str, str]) -> EntryView:
    """Return an entry as the API shows it; `reversed_by` maps the ids of reversed entries to their reversals."""
    is_trade = bool(entry.quantity)
    values = {name: getattr(entry, name) for name in ("place", "day", "kind", "amount", "note", "created_by")}
    return EntryView(
        id=entry.entry_id,
        symbol=entry.symbol or None,
        quantity=entry.quantity if is_trade else None,
        price=entry.price if is_trade else None,
        fee=entry.fee if is_trade else None,
        reverses=entry.reverses or None,
        reversed_by=reversed_by.get(entry.entry_id),
        created_at=entry.created_at,
        **values,
    )


def view_positions(book: Book, *, closed: bool) -> PositionList:
    """Return positions as the API shows them."""
    items = [
        PositionView(**_held(symbol, position), lots=[LotView.model_validate(lot) for lot in position.lots])
        for symbol, position in sorted(book.positions.items())
        if closed or position.quantity
    ]
    return PositionList(**_totals(book), items=items)


def view_valuation(portfolio: Portfolio, found: Valuation) -> ValuationView:
    """Return a valuation as the API shows it."""
    return ValuationView(
        **_source(portfolio),
        **_totals(found.book),
        cost=found.cost,
        value=found.value,
        equity=found.equity,
        unrealised=found.unrealised,
        profit=None if found.equity is None else found.equity - found.book.net_deposits,
        unpriced=found.unpriced,
        items=[_view_valued(each, found.equity) for each in found.positions],
    )


def view_history(portfolio: Portfolio, days: Sequence[EquityDay]) -> EquityHistory:
    """Return a history as the API shows it."""
    return EquityHistory(**_source(portfolio), items=[EquityRow.model_validate(day) for day in days])


def view_performance(portfolio: Portfolio, found: Performance) -> PerformanceView:
    """Return a performance as the API shows it."""
    days = found.days
    return PerformanceView(
        **_source(portfolio),
        first=days[0].day if days else None,
        last=days[-1].day if days else None,
        benchmark=found.benchmark or None,
        items=[PerformanceRow.model_validate(day) for day in days],
        contributions=[
            ContributionView(symbol=each.symbol or None, gain=each.gain, share=each.share)
            for each in found.contributions
        ],
        **{
            name: _finite(getattr(found, name))
            for name in ("time_weighted", "money_weighted", "max_drawdown", "last_day", "benchmark_return")
        },
        **{name: _finite(found.against.get(name, math.nan)) for name in _AGAINST},
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _view_valued(each: ValuedPosition, equity: Decimal | None) -> ValuedView:
    price = None if each.price is None else PriceView.model_validate(each.price)
    weight = float(each.value / equity) if each.value is not None and equity else None
    names = ("value", "unrealised", "previous", "change")
    values = {name: getattr(each, name) for name in names}
    return ValuedView(**_held(each.symbol, each.position), price=price, weight=weight, **values)


def _source(portfolio: Portfolio) -> dict[str, Any]:
    return {"provider": portfolio.provider, "is_real": get_source_spec(portfolio.provider).is_real}


def _held(symbol: str, position: Position) -> dict[str, Any]:
    names = ("quantity", "average_cost", "cost", "realised", "realised_fifo", "income")
    return {"symbol": symbol} | {name: getattr(position, name) for name in names}


def _totals(book: Book) -> dict[str, Any]:
    return {name: getattr(book, name) for name in ("cash", "net_deposits", "realised", "income", "costs")}
