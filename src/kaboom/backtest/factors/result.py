"""The result of a factor report."""

from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kaboom.jobs.results import OfProvider


class QuantileView(BaseModel):
    """A quantile of a factor; the first has the lowest values."""

    quantile: int = Field(examples=[5])
    mean_return: float | None = Field(
        description="of a session, less the mean of all symbols, as a share", examples=[0.0031]
    )
    error: float | None = Field(description="the standard error of `mean_return`", examples=[0.0011])
    turnover: float | None = Field(
        description="the mean share of symbols that were not in it `horizon` sessions before", examples=[0.42]
    )


class HorizonView(BaseModel):
    """The measures of a factor by the returns over some sessions."""

    horizon: int = Field(description="sessions", examples=[5])
    ic_mean: float | None = Field(
        description="information coefficient: the mean of the sessions' rank correlations", examples=[0.031]
    )
    ic_deviation: float | None = Field(description="its standard deviation over sessions", examples=[0.14])
    ic_t: float | None = Field(description="its t, as if sessions were independent", examples=[5.2])
    ic_t_overlap: float | None = Field(
        description="its t with the error of Newey and West, since returns of near sessions overlap", examples=[2.9]
    )
    spread: float | None = Field(description="return of the highest quantile less that of the lowest", examples=[0.006])
    autocorrelation: float | None = Field(
        description="of the ranks with those `horizon` sessions before", examples=[0.81]
    )
    quantiles: list[QuantileView]


class FactorResult(OfProvider):
    """How well a factor orders the returns that follow, by horizon."""

    model_config = ConfigDict(extra="forbid")

    expression: str = Field(examples=["change_20d"])
    provider: str = Field(examples=["synthetic"])
    first: date = Field(examples=["2020-09-16"])
    last: date = Field(examples=["2025-11-04"])
    symbols: int = Field(description="that have bars", examples=[1651])
    missing: int = Field(description="symbols that were asked for and have no bars", examples=[3])
    sessions: int = Field(description="that were measured", examples=[1209])
    tied: int = Field(
        description="sessions left out, in which too many symbols have one value to be cut into quantiles", examples=[0]
    )
    values: int = Field(description="pairs of a symbol and a session that were measured", examples=[1990000])
    horizons: list[HorizonView]
    request: dict[str, Any] = Field(
        description="with its days and moment, so that a repetition reads the same bars",
        examples=[{"expression": "change_20d", "market": "TSE_PRIME", "last": "2025-11-04"}],
    )
    fingerprint: str = Field(description="of the bars, splits and listings: SHA-256", examples=["9f2c"])
