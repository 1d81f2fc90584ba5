"""What a strategy leaves for the next session, noted at a close and placed again on another account."""

import math

import numpy as np
from pydantic import Field

from kaboom.backtest.broker import Broker, Order, OrderKind
from kaboom.backtest.panel import Panel
from kaboom.drivers.request import Request


class _Target(Request):
    """A target: `weight` of equity, `want` in shares by the close of the decision, and the number of its reason."""

    weight: float
    want: float
    reason: int


class _Exit(Request):
    """The prices that close a position, in yen."""

    stop: float | None = None
    profit: float | None = None


class _Order(Request):
    """An order, as `broker.Order`; prices are null where it has none."""

    symbol: str
    shares: float
    kind: str
    level: float | None = None
    stop: float | None = None
    take: float | None = None
    stop_loss: float | None = None
    take_profit: float | None = None


class Waiting(Request):
    """What waits at a close, by symbol."""

    targets: dict[str, _Target] = Field(default={})
    exits: dict[str, _Exit] = Field(default={})
    orders: list[_Order] = Field(default=[])

    @classmethod
    def note(cls, broker: Broker, panel: Panel) -> "Waiting":
        """Return what waits in a broker."""
        state, names = broker.sim.state, panel.symbols
        held = ~(np.isnan(state.stop) & np.isnan(state.profit))
        return cls(
            targets={
                names[s]: _Target(weight=float(state.weight[s]), want=float(state.want[s]), reason=int(state.reason[s]))
                for s in np.flatnonzero(~np.isnan(state.weight)).tolist()
            },
            exits={
                names[s]: _Exit(stop=_known(state.stop[s]), profit=_known(state.profit[s]))
                for s in np.flatnonzero(held).tolist()
            },
            orders=[
                _Order(
                    symbol=names[each.column],
                    shares=each.shares,
                    kind=each.kind.value,
                    **{name: _known(getattr(each, name)) for name in _PRICES},
                )
                for each in broker.orders
            ],
        )

    def place(self, broker: Broker, panel: Panel) -> None:
        """Place it in a broker; a symbol that the panel does not have any more is left out."""
        state, columns = broker.sim.state, {symbol: s for s, symbol in enumerate(panel.symbols)}
        for symbol, target in self.targets.items():
            if (s := columns.get(symbol)) is not None:
                state.weight[s], state.want[s], state.reason[s] = target.weight, target.want, target.reason
                broker.sim.account.pending += 1
                broker.watched.add(s)
        for symbol, end in self.exits.items():
            s = columns.get(symbol)
            if s is not None and state.shares[s]:
                state.stop[s], state.profit[s] = _number(end.stop), _number(end.profit)
                broker.watched.add(s)
        for one in self.orders:
            if (s := columns.get(one.symbol)) is not None:
                prices = {name: _number(getattr(one, name)) for name in _PRICES}
                broker.orders.append(Order(s, one.shares, OrderKind(one.kind), **prices))


_PRICES = ("level", "stop", "take", "stop_loss", "take_profit")


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
