"""The parameters of all strategies of target weights; importable without numpy."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from kaboom.backtest.protection import Protection
from kaboom.errors import InvalidRequest

if TYPE_CHECKING:
    from kaboom.backtest.panel import Panel

#: A number of bars that a strategy looks back.
Bars = Annotated[int, Field(ge=2, le=500)]
Side = Literal["long", "both"]


class StrategySettings(Protection):
    """The parameters of a strategy: with its name, and the weight of each position."""

    name: ClassVar[str]
    title: ClassVar[str]
    #: The columns of statements that it reads.
    statements: ClassVar[tuple[str, ...]] = ()

    weight: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="share of equity of each position; default: one divided by the number of symbols"
    )

    @property
    def protection(self) -> Protection:
        """The stops and take-profits of its entries."""
        return self

    def weight_in(self, panel: "Panel") -> float:
        """Return the share of equity of each position."""
        return self.weight if self.weight is not None else 1.0 / panel.shape[1]


def check_names(given: Iterable[str], known: Collection[str]) -> None:
    """Check that a strategy has every parameter that is given.

    Raises:
        InvalidRequest: it lacks one.

    """
    if unknown := [name for name in given if name not in known]:
        name, supported = unknown[0][:40], ", ".join(known) or "none"
        raise InvalidRequest(f"parameter was {name!r}, supported are {supported}", pointer=f"/parameters/{name}")
