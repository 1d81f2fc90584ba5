"""Orders of strategies that are called for each bar."""

import math
from dataclasses import dataclass
from enum import StrEnum


class OrderKind(StrEnum):
    """When an order is filled: at the next open, at its price or better, or once its price is reached."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


@dataclass(slots=True, eq=False)
class Order:
    """A pending order.

    Attributes:
        column: of the symbol.
        shares: the shares that are left to buy; negative to sell.
        kind: of the order; a stop order that was reached and partly filled becomes a market order.
        level: its price, yen; NaN for a market order.
        stop: price of the stop-loss that the position gets, yen; NaN for none.
        take: the same for the take-profit.
        stop_loss: distance of the stop-loss from the mean price of the position, as a share of it; NaN for none.
        take_profit: the same for the take-profit.

    """

    column: int
    shares: float
    kind: OrderKind = OrderKind.MARKET
    level: float = math.nan
    stop: float = math.nan
    take: float = math.nan
    stop_loss: float = math.nan
    take_profit: float = math.nan
