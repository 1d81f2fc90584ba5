"""The result of a booked session; importable without numpy."""

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from kaboom.backtest.summary import NextOrder


class PaperResult(BaseModel):
    """Where a paper portfolio stands after a session."""

    model_config = ConfigDict(extra="forbid")

    portfolio_id: str = Field(examples=["9d8e2f3b4c5d6e7f80903f1c0f5a6b4a"])
    strategy: str = Field(examples=["sma_cross"])
    session: date = Field(description="the newest session that is booked", examples=["2025-11-04"])
    booked: int = Field(description="sessions that this job booked; 0: they were booked before", examples=[1])
    fills: int = Field(description="buys and sells among them", examples=[2])
    equity: float = Field(description="of the portfolio at the close, in yen", examples=[10120400.0])
    backtest_equity: float = Field(description="of the backtest at the same close, in yen", examples=[10120400.0])
    drift: float = Field(description="how far the portfolio is from the backtest, as a share of it", examples=[0.0])
    next_session: date = Field(examples=["2025-11-05"])
    next_orders: list[NextOrder] = Field(description="what waits for it, the first 200", examples=[[]])
    next_order_count: int = Field(examples=[3])
