"""The value of a portfolio at the latest closes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from kaboom.market.action import Split
from kaboom.portfolio.book import Book
from kaboom.portfolio.money import ZERO, round_yen
from kaboom.portfolio.position import Position


@dataclass(frozen=True, slots=True)
class Price:
    """A close of a symbol.

    Attributes:
        close: yen a share, as traded.
        session: the session of the close.
        at: the time of the close, UTC.
        interval: of the bar with the close: `1d` or `1m`.
        source: of the bar: a provider, or the roll-up of its minutes.
        is_final: whether the provider will not change the bar; None if that is unknown.

    """

    close: Decimal
    session: date
    at: datetime
    interval: str
    source: str
    is_final: bool | None


@dataclass(frozen=True, slots=True)
class ValuedPosition:
    """A position with its price; `price`, `value` and `unrealised` (yen) are None if no close is known."""

    symbol: str
    position: Position
    price: Price | None
    value: Decimal | None
    unrealised: Decimal | None


@dataclass(frozen=True, slots=True)
class Valuation:
    """A portfolio at the latest closes, in yen.

    Attributes:
        positions: the positions held, by symbol.
        value: of all positions; None if a position has no price.
        equity: cash plus value; None if `value` is None.
        unrealised: value minus cost; None if `value` is None.

    """

    book: Book
    positions: tuple[ValuedPosition, ...]
    value: Decimal | None
    equity: Decimal | None
    unrealised: Decimal | None

    @property
    def cost(self) -> Decimal:
        """The cost of the positions, by the moving average."""
        return sum((each.position.cost for each in self.positions), ZERO)

    @property
    def unpriced(self) -> list[str]:
        """The symbols without a price."""
        return [each.symbol for each in self.positions if each.price is None]


def value_book(book: Book, prices: Mapping[str, Price], splits: Iterable[Split], *, today: date) -> Valuation:
    """Return the valuation of a book; closes before a split up to `today` are adjusted for the split."""
    applied = [split for split in splits if split.ex_session <= today]
    held = [(symbol, book.positions[symbol]) for symbol in sorted(book.positions) if book.held(symbol)]
    valued = tuple(_value(symbol, position, prices.get(symbol), applied) for symbol, position in held)
    values = [each.value for each in valued if each.value is not None]
    total = sum(values, ZERO) if len(values) == len(valued) else None
    cost = sum((position.cost for _, position in held), ZERO)
    return Valuation(
        book,
        valued,
        value=total,
        equity=None if total is None else book.cash + total,
        unrealised=None if total is None else total - cost,
    )


def scale_price(close: Decimal, shares: Fraction) -> Decimal:
    """Return the price of a new share, if one old share at `close` yen became `shares` new shares."""
    return round_yen(close * shares.denominator / shares.numerator)


def _value(symbol: str, position: Position, price: Price | None, splits: Iterable[Split]) -> ValuedPosition:
    if price is None:
        return ValuedPosition(symbol, position, None, None, None)
    close = price.close
    for split in splits:
        if split.symbol == symbol and split.ex_session > price.session:
            close = scale_price(close, split.shares)
    value = close * position.quantity
    return ValuedPosition(symbol, position, price, value, value - position.cost)
