"""The two kinds of strategies."""

from typing import Protocol, runtime_checkable

from kaboom.backtest.context import Context
from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.panel import Panel
from kaboom.backtest.protection import Protection


class WeightStrategy(Protocol):
    """A strategy that computes its target weights from its panel alone; compiled code runs it.

    Its class may name the columns of statements that it reads: `statements: ClassVar = ("per", "pbr")`.
    """

    @property
    def protection(self) -> Protection:
        """The stops and take-profits of its entries."""
        ...

    def targets(self, panel: Panel) -> Floats:
        """Return target weights of equity, `[bars, symbols]`, each from its bar and earlier ones; NaN is no change."""
        ...


@runtime_checkable
class BarStrategy(Protocol):
    """A strategy that is called for each bar, and sees its account."""

    def prepare(self, panel: Panel) -> None:
        """Compute the inputs of `on_bar` once for the whole panel; each value from its bar and earlier ones."""
        ...

    def on_bar(self, context: Context) -> None:
        """Read the bars up to this one, and place orders for the next."""
        ...
