"""The request to book a session of a paper portfolio; importable without numpy, since the API checks it."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Self, override

from pydantic import Field, model_validator

from kaboom.backtest.model import FillModel
from kaboom.backtest.request import BacktestRequest, Parameters, StrategyName
from kaboom.drivers.request import Request
from kaboom.errors import InvalidRequest
from kaboom.market.calendar import last_sessions
from kaboom.market.fields import WHOLE, Day, MarketName, SymbolTexts

#: What a book keeps of the request that began it.
TERMS = ("strategy", "parameters", "symbols", "market", "warm_up", "model", "seed")


class FollowedRequest(BacktestRequest):
    """The backtest that a paper portfolio is compared with."""

    started_on: Day

    @property
    @override
    def decides_from(self) -> date | None:
        """The first day whose close decides: bars before it only warm up the strategy."""
        return self.started_on


class PaperRequest(Request):
    """Which portfolio follows which strategy, and the session to book."""

    cli_flags: ClassVar[Mapping[str, tuple[str, ...]]] = {"portfolio_id": ("--portfolio",)}

    portfolio_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] = Field(
        description="the portfolio; at the first session it holds cash and no shares"
    )
    strategy: StrategyName = Field(description="its name; docs/how-to/backtest.md lists those that there are")
    parameters: Parameters = Field(default={}, description="of the strategy; default: its own")
    symbols: SymbolTexts | None = Field(default=None, description="only these; give either symbols or a market")
    market: MarketName | None = Field(default=None, description="all symbols of a market that have bars")
    warm_up: Annotated[int, Field(ge=0, le=2500), WHOLE] = Field(
        default=250, description="sessions of bars that the strategy sees before the first one that is booked"
    )
    model: FillModel = Field(default=FillModel(), description="how orders are filled; docs/explanation/backtests.md")
    seed: Annotated[int, Field(ge=0, le=2**31 - 1), WHOLE] = Field(
        default=0, description="of what a strategy of your own draws at random"
    )
    session: Day | None = Field(default=None, description="the session to book up to; default: newest closed")

    @classmethod
    @override
    def fill_in(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that the command line sends; by default, all symbols of TSE Prime."""
        return dict(given) if given.get("symbols") or given.get("market") else {**given, "market": "TSE_PRIME"}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.model.allows_short:
            raise InvalidRequest("allows_short was true, expected false: a portfolio is never short", pointer="/model")
        if self.model.tax_rate:
            raise InvalidRequest(
                f"tax_rate was {self.model.tax_rate}, expected 0: a paper portfolio withholds no tax", pointer="/model"
            )
        self._backtest(BacktestRequest, {})
        return self

    @property
    def terms(self) -> dict[str, Any]:
        """What all sessions of a book have in common, as JSON."""
        return {name: value for name, value in self.to_json().items() if name in TERMS}

    def to_backtest(self, provider: str, cash: float, started_on: date, session: date) -> FollowedRequest:
        """Return the backtest that is followed, up to a session.

        Raises:
            InvalidRequest: a symbol is not valid for the provider.

        """
        first = last_sessions(self.warm_up + 1, started_on)[0]
        days = {"first": first.isoformat(), "last": session.isoformat(), "started_on": started_on.isoformat()}
        return self._backtest(FollowedRequest, {"provider": provider, "cash": cash} | days)

    def _backtest[R: BacktestRequest](self, kind: type[R], more: Mapping[str, Any]) -> R:
        given = self.to_json()
        names = ("strategy", "parameters", "symbols", "market", "model", "seed")
        return kind.parse({name: given[name] for name in names if name in given} | dict(more))
