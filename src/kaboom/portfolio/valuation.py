"""The value of a portfolio at the latest closes."""

from collections.abc import Iterable, Mapping, Sequence
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
    """A position with its price; `price`, `value` and `unrealised` (yen) are None if no close is known.

    `previous` is the close of the session before that of the price, for the shares of today; None if it is not known.
    """

    symbol: str
    position: Position
    price: Price | None
    value: Decimal | None
    unrealised: Decimal | None
    previous: Decimal | None = None

    @property
    def change(self) -> Decimal | None:
        """What the position gained in the session of its price, if it was held, in yen."""
        if self.value is None or self.previous is None:
            return None
        return self.value - self.previous * self.position.quantity


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


def value_book(
    book: Book,
    prices: Mapping[str, Price],
    splits: Iterable[Split],
    *,
    today: date,
    closes: Mapping[str, Mapping[date, Decimal]] | None = None,
) -> Valuation:
    """Return the valuation of a book; closes before a split up to `today` are adjusted for the split.

    `closes` are those of the days before the prices, by symbol.
    """
    applied = [split for split in splits if split.ex_session <= today]
    held = [(symbol, book.positions[symbol]) for symbol in sorted(book.positions) if book.held(symbol)]
    before = closes or {}
    valued = tuple(
        _value(symbol, position, prices.get(symbol), [each for each in applied if each.symbol == symbol], before)
        for symbol, position in held
    )
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


def adjust_closes(closes: Mapping[date, Decimal], splits: Iterable[Split]) -> dict[date, Decimal]:
    """Return closes of one symbol for the shares after some splits of it."""
    adjusted = dict(closes)
    for split in splits:
        for day in [day for day in adjusted if day < split.ex_session]:
            adjusted[day] = scale_price(adjusted[day], split.shares)
    return adjusted


def _value(
    symbol: str,
    position: Position,
    price: Price | None,
    splits: Sequence[Split],
    before: Mapping[str, Mapping[date, Decimal]],
) -> ValuedPosition:
    if price is None:
        return ValuedPosition(symbol, position, None, None, None)
    known = {day: close for day, close in before.get(symbol, {}).items() if day < price.session}
    adjusted = adjust_closes(known | {price.session: price.close}, splits)
    close = adjusted.pop(price.session)
    value = close * position.quantity
    return ValuedPosition(
        symbol, position, price, value, value - position.cost, adjusted[max(adjusted)] if adjusted else None
    )
