"""A position in one symbol: its shares, their cost on average and by FIFO lots, and the realised profit."""

from collections import deque
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from kaboom.portfolio.money import ZERO, round_yen


@dataclass(frozen=True, slots=True)
class Lot:
    """The rest of one buy: `quantity` shares that cost `cost` yen together, fee included."""

    bought_on: date
    quantity: int
    cost: Decimal


class Position:
    """The position in one symbol, changed trade by trade.

    A buy costs its amount plus its fee; a sell brings its amount less its fee. The cost of a part is rounded to four
    digits, and the rest of the cost stays with the other shares: no yen is lost by rounding.

    Attributes:
        quantity: shares held, never negative.
        cost: yen that the shares cost by the moving average.
        realised, realised_fifo: yen earned by sells, by the moving average and by FIFO.
        income: dividends and payments for fractions, in yen.

    """

    __slots__ = ("_lots", "cost", "income", "quantity", "realised", "realised_fifo")

    def __init__(self) -> None:
        self.quantity = 0
        self.cost = self.realised = self.realised_fifo = self.income = ZERO
        self._lots: deque[Lot] = deque()

    @property
    def lots(self) -> tuple[Lot, ...]:
        """The lots that are held, oldest first."""
        return tuple(self._lots)

    @property
    def average_cost(self) -> Decimal:
        """The yen that one share cost on average; 0 without shares."""
        return round_yen(self.cost / self.quantity) if self.quantity else ZERO

    def buy(self, day: date, quantity: int, paid: Decimal) -> None:
        """Add shares for which `paid` yen were paid, fee included."""
        self.quantity += quantity
        self.cost += paid
        self._lots.append(Lot(day, quantity, paid))

    def sell(self, quantity: int, received: Decimal) -> None:
        """Remove at most `self.quantity` shares that were sold for `received` yen, fee deducted."""
        cost = _part(self.cost, quantity, self.quantity)
        self.quantity -= quantity
        self.cost -= cost
        self.realised += received - cost
        self.realised_fifo += received - self._take(quantity)

    def split(self, shares: Fraction) -> None:
        """Turn each share into `shares` shares, the total rounded down; their cost stays the same.

        If less than one share is left, the cost is realised as a loss.
        """
        before, after, lots = 0, 0, deque[Lot]()
        for lot in self._lots:
            before += lot.quantity
            new = int(before * shares)
            lots.append(replace(lot, quantity=new - after))
            after = new
        self.quantity, self._lots = after, lots
        if not after:
            self.realised -= self.cost
            self.realised_fifo -= sum((lot.cost for lot in lots), ZERO)
            self.cost = ZERO
            lots.clear()

    def _take(self, quantity: int) -> Decimal:
        """Remove shares from the oldest lots, and return their cost in yen."""
        cost = ZERO
        while quantity:
            lot = self._lots.popleft()
            taken = min(quantity, lot.quantity)
            part = _part(lot.cost, taken, lot.quantity)
            cost += part
            quantity -= taken
            if taken < lot.quantity:
                self._lots.appendleft(replace(lot, quantity=lot.quantity - taken, cost=lot.cost - part))
        if not self.quantity:
            # A reverse split may have left a lot without shares, but with a cost.
            cost += sum((lot.cost for lot in self._lots), ZERO)
            self._lots.clear()
        return cost


def _part(cost: Decimal, taken: int, held: int) -> Decimal:
    """Return the cost of a part of the shares; that of all shares is exact, even if there are none."""
    return cost if taken == held else round_yen(cost * taken / held)
