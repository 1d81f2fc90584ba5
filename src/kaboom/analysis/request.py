"""The request of an analysis; importable without polars, since the API checks it."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from kaboom.analysis.vocabulary import Kind
from kaboom.drivers.request import Request
from kaboom.errors import InvalidRequest
from kaboom.market.fields import WHOLE, Day, parse_symbols
from kaboom.providers.registry import OfSource, SourceName, get_source_spec

#: The most symbols of one analysis: each may cost money.
MOST_SYMBOLS = 20
DEFAULT_SESSIONS = 250


def _to_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_Id = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
_Symbol = Annotated[str, Field(min_length=1, max_length=20)]
_Symbols = Annotated[tuple[_Symbol, ...], Field(min_length=1, max_length=MOST_SYMBOLS), BeforeValidator(_to_tuple)]


class AnalysisRequest(OfSource, Request):
    """What to analyse, of which bars, and by whom."""

    cli_flags: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "symbols": ("--symbol", "-s"),
        "job_id": ("--job",),
        "portfolio_id": ("--portfolio",),
    }

    kind: Literal["technical", "risk", "ingest", "backtest"] = Field(
        default="technical",
        description="technical and risk are about symbols, ingest explains an ingest job, backtest sums a backtest up",
    )
    symbols: _Symbols | None = Field(
        default=None, description=f"at most {MOST_SYMBOLS}; default with a portfolio: its positions of the highest cost"
    )
    portfolio_id: _Id | None = Field(
        default=None,
        description="adds what the portfolio holds of each symbol; needs the scope `portfolios:read`, too",
    )
    job_id: _Id | None = Field(default=None, description="the job to explain (only kinds ingest and backtest)")
    sessions: Annotated[int, Field(ge=30, le=1000), WHOLE] = Field(
        default=DEFAULT_SESSIONS, description="look-back in sessions"
    )
    provider: SourceName | None = Field(default=None, description="whose bars; default: KABOOM_PROVIDER")
    session: Day | None = Field(default=None, description="the last session; default: newest closed")
    analyst: Literal["auto", "rules", "models"] = Field(
        default="auto", description="auto asks models where they are configured, and else the rules analyst"
    )
    language: Literal["ja", "en"] = Field(default="ja", description="the language of the points")
    dry_run: bool = Field(default=False, description="return what would be sent to models, and send nothing")

    @field_validator("symbols")
    @classmethod
    def _parse_symbols(cls, texts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return tuple(dict.fromkeys(texts)) if texts else texts

    @field_validator("provider")
    @classmethod
    def _check_symbols(cls, provider: str | None, info: ValidationInfo) -> str | None:
        if provider is not None and (texts := info.data.get("symbols")):
            parse_symbols(texts, get_source_spec(provider).parse_symbol)
        return provider

    @model_validator(mode="after")
    def _check_subject(self) -> Self:
        given = {name: getattr(self, name) for name in ("symbols", "portfolio_id", "job_id")}
        wanted = ("job_id",) if self.is_of_job else ("symbols", "portfolio_id")
        if not any(given[name] is not None for name in wanted):
            raise InvalidRequest(f"{wanted[0]} was not set, expected it of kind {self.kind}", pointer=f"/{wanted[0]}")
        for name, value in given.items():
            if value is not None and name not in wanted:
                raise InvalidRequest(f"{name} was set, expected none of kind {self.kind}", pointer=f"/{name}")
        return self

    @property
    def is_of_job(self) -> bool:
        """Whether it is about a job, not about symbols."""
        return Kind(self.kind).is_of_job

    @property
    def chosen(self) -> tuple[str, ...]:
        """The symbols as their provider writes them, each once; none if a portfolio or a job gives the subject."""
        return parse_symbols(self.symbols or (), self.spec.parse_symbol)
