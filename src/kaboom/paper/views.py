"""The answer of the route of a paper portfolio."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kaboom.backtest.summary import NextOrder
from kaboom.market.calendar import next_session, opens_at
from kaboom.paper.model import PaperBook, PaperSession


class PaperQuery(BaseModel):
    """How many sessions to show."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=250, ge=1, le=2500, description="the newest sessions")


class PaperSessionView(BaseModel):
    """A booked session."""

    session: date = Field(examples=["2025-11-04"])
    equity: float = Field(description="of the portfolio at the close, in yen", examples=[10120400.0])
    backtest_equity: float = Field(
        description="of the backtest at the same close by the newest bars, in yen", examples=[10120400.0]
    )
    drift: float = Field(description="how far the portfolio is from the backtest, as a share of it", examples=[0.0])
    fills: int = Field(description="buys and sells", examples=[2])
    booked_at: datetime = Field(examples=["2025-11-04T07:40:00Z"])
    is_late: bool = Field(
        description="booked when the next session had opened: its orders were not known in time", examples=[False]
    )


class PaperView(BaseModel):
    """Which strategy a portfolio follows, and how far it is from the backtest of it."""

    portfolio_id: str = Field(examples=["9d8e2f3b4c5d6e7f80903f1c0f5a6b4a"])
    terms: dict[str, Any] = Field(
        description="the strategy, its parameters and symbols, and the fill model",
        examples=[{"strategy": "sma_cross", "parameters": {"fast": 10, "slow": 20}, "symbols": ["7203"]}],
    )
    started_on: date = Field(description="the first session, whose close decided first", examples=["2025-10-01"])
    cash: float = Field(description="what the portfolio and the backtest began with, in yen", examples=[10000000.0])
    created_at: datetime = Field(examples=["2025-10-01T07:40:00Z"])
    next_session: date | None = Field(examples=["2025-11-05"])
    next_orders: list[NextOrder] = Field(description="what waits for the next session", examples=[[]])
    items: list[PaperSessionView] = Field(description="newest first")


def view_paper(book: PaperBook, sessions: list[PaperSession]) -> PaperView:
    """Return a book with its newest sessions, newest first, as the API shows it."""
    newest = sessions[0] if sessions else None
    return PaperView(
        portfolio_id=book.portfolio_id,
        terms=dict(book.terms),
        started_on=book.started_on,
        cash=book.cash,
        created_at=book.created_at,
        next_session=next_session(newest.session) if newest else None,
        next_orders=[NextOrder.model_validate(each) for each in newest.orders] if newest else [],
        items=[_view_session(each) for each in sessions],
    )


def _view_session(one: PaperSession) -> PaperSessionView:
    return PaperSessionView(
        session=one.session,
        equity=one.equity,
        backtest_equity=one.backtest_equity,
        drift=one.equity / one.backtest_equity - 1 if one.backtest_equity else 0.0,
        fills=one.fills,
        booked_at=one.booked_at,
        is_late=bool(one.booked_at and one.booked_at >= opens_at(next_session(one.session))),
    )
