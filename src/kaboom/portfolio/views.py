"""The answers of the portfolio routes; amounts are yen as decimal text."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from kaboom.portfolio import examples
from kaboom.portfolio.book import Book
from kaboom.portfolio.entry import Entry, EntryKind
from kaboom.portfolio.history import EquityDay
from kaboom.portfolio.model import Portfolio
from kaboom.portfolio.money import format_yen
from kaboom.portfolio.position import Position
from kaboom.portfolio.postings import Account
from kaboom.portfolio.valuation import Valuation, ValuedPosition
from kaboom.providers.registry import get_source_spec

_Yen = Annotated[Decimal, PlainSerializer(format_yen, return_type=str)]


def _example(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(from_attributes=True, json_schema_extra={"example": example})


class PortfolioView(BaseModel):
    """A portfolio in yen."""

    model_config = _example(examples.PORTFOLIO)

    id: str
    name: str
    provider: str = Field(description="whose bars and corporate actions value it")
    is_real: bool = Field(description="false: the provider makes its bars up")
    lot: int
    cash: _Yen
    entries: int
    created_at: AwareDatetime
    created_by: str


class PortfolioList(BaseModel):
    """All portfolios, by name."""

    model_config = _example({"items": [examples.PORTFOLIO]})

    items: list[PortfolioView]


class EntryView(BaseModel):
    """A trade, a cash movement, or a reversal of either; only trades have `quantity`, `price` and `fee`."""

    model_config = _example(examples.ENTRY)

    id: str
    place: int
    day: date
    kind: EntryKind
    symbol: str | None
    quantity: int | None
    price: _Yen | None
    fee: _Yen | None
    amount: _Yen = Field(description="of a trade, quantity times price")
    note: str
    reverses: str | None = Field(description="the entry that it takes back")
    reversed_by: str | None = Field(description="the entry that takes it back")
    created_at: AwareDatetime
    created_by: str


class TradePage(BaseModel):
    """Trades and their reversals, newest first."""

    model_config = _example(examples.TRADES)

    items: list[EntryView]
    next_cursor: str | None


class CashPage(BaseModel):
    """Cash movements other than trades and their reversals, newest first, and the balance of every account."""

    model_config = _example(examples.CASH)

    cash: _Yen
    accounts: dict[Account, _Yen] = Field(description="they add up to zero; what is held is positive")
    items: list[EntryView]
    next_cursor: str | None


class Imported(BaseModel):
    """The number of imported entries, and their first and last place."""

    model_config = _example(examples.IMPORTED)

    entries: int
    first_place: int
    last_place: int


class BookedDividends(BaseModel):
    """The dividends that this request booked, oldest first, without those booked before."""

    model_config = _example({"items": [examples.DIVIDEND]})

    items: list[EntryView]


class LotView(BaseModel):
    """The remaining shares of one buy."""

    model_config = ConfigDict(from_attributes=True)

    bought_on: date
    quantity: int
    cost: _Yen


class _Held(BaseModel):
    symbol: str
    quantity: int
    average_cost: _Yen = Field(description="of a share, by the moving average, fees of buys included")
    cost: _Yen = Field(description="of all shares, likewise")
    realised: _Yen = Field(description="earned by sells, by the moving average")
    realised_fifo: _Yen = Field(description="earned by sells, by FIFO")
    income: _Yen = Field(description="dividends and payments for fractions")


class PositionView(_Held):
    """A position with its FIFO lots, oldest first."""

    lots: list[LotView]


class _Totals(BaseModel):
    cash: _Yen
    net_deposits: _Yen = Field(description="paid in and not out again")
    realised: _Yen
    income: _Yen
    costs: _Yen = Field(description="fees and taxes that are not of a trade")


class PositionList(_Totals):
    """The positions, by symbol."""

    model_config = _example(examples.POSITIONS)

    items: list[PositionView]


class PriceView(BaseModel):
    """An unadjusted close."""

    model_config = ConfigDict(from_attributes=True)

    close: _Yen
    session: date
    at: AwareDatetime
    interval: str
    source: str
    is_final: bool | None = Field(description="false: the provider may change it; null if that is unknown")


class ValuedView(_Held):
    """A position at its latest close; `price`, `value` and `unrealised` are null if it has no close."""

    price: PriceView | None
    value: _Yen | None
    unrealised: _Yen | None


class _Valued(BaseModel):
    provider: str
    is_real: bool


class ValuationView(_Valued, _Totals):
    """The value of a portfolio; `value`, `equity`, `unrealised` and `profit` are null if a position has no price."""

    model_config = _example(examples.VALUATION)

    cost: _Yen
    value: _Yen | None
    equity: _Yen | None = Field(description="cash and value")
    unrealised: _Yen | None
    profit: _Yen | None = Field(description="equity beyond what was paid in")
    unpriced: list[str]
    items: list[ValuedView]


class EquityRow(BaseModel):
    """A portfolio at the close of one session."""

    model_config = ConfigDict(from_attributes=True)

    day: date
    cash: _Yen
    value: _Yen | None
    equity: _Yen | None
    net_deposits: _Yen
    stale: int = Field(description="positions without a close on this day, valued at an older one or not at all")


class EquityHistory(_Valued):
    """A portfolio by session, oldest first."""

    model_config = _example(examples.EQUITY)

    items: list[EquityRow]


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
        items=[_view_valued(each) for each in found.positions],
    )


def view_history(portfolio: Portfolio, days: Sequence[EquityDay]) -> EquityHistory:
    """Return a history as the API shows it."""
    return EquityHistory(**_source(portfolio), items=[EquityRow.model_validate(day) for day in days])


def _view_valued(each: ValuedPosition) -> ValuedView:
    price = None if each.price is None else PriceView.model_validate(each.price)
    return ValuedView(**_held(each.symbol, each.position), price=price, value=each.value, unrealised=each.unrealised)


def _source(portfolio: Portfolio) -> dict[str, Any]:
    return {"provider": portfolio.provider, "is_real": get_source_spec(portfolio.provider).is_real}


def _held(symbol: str, position: Position) -> dict[str, Any]:
    names = ("quantity", "average_cost", "cost", "realised", "realised_fifo", "income")
    return {"symbol": symbol} | {name: getattr(position, name) for name in names}


def _totals(book: Book) -> dict[str, Any]:
    return {name: getattr(book, name) for name in ("cash", "net_deposits", "realised", "income", "costs")}
