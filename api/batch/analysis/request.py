"""What a caller may ask of an analysis; importable without polars, since the API checks it."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from batch.errors import InvalidRequest
from batch.kit.request import Request
from batch.market.fields import WHOLE, Day, parse_symbols
from batch.providers.fields import OfSource, SourceName
from batch.providers.registry import get_source_spec

#: The most symbols of one analysis: each may cost money.
MOST_SYMBOLS = 20
DEFAULT_SESSIONS = 250


def _to_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_Symbol = Annotated[str, Field(min_length=1, max_length=20)]
_Symbols = Annotated[tuple[_Symbol, ...], Field(min_length=1, max_length=MOST_SYMBOLS), BeforeValidator(_to_tuple)]


class AnalysisRequest(OfSource, Request):
    """What to analyse, of which bars, and by whom."""

    cli_flags: ClassVar[Mapping[str, tuple[str, ...]]] = {"symbols": ("--symbol", "-s"), "job_id": ("--job",)}

    kind: Literal["technical", "risk", "ingest"] = Field(
        default="technical", description="technical and risk are about symbols, ingest explains an ingest job"
    )
    symbols: _Symbols | None = Field(default=None, description=f"at most {MOST_SYMBOLS}; not of kind ingest")
    job_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = Field(
        default=None, description="the ingest job to explain; only of kind ingest"
    )
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
        wanted, other = ("job_id", "symbols") if self.kind == "ingest" else ("symbols", "job_id")
        if getattr(self, wanted) is None:
            raise InvalidRequest(f"{wanted} was not set, expected it of kind {self.kind}", pointer=f"/{wanted}")
        if getattr(self, other) is not None:
            raise InvalidRequest(f"{other} was set, expected none of kind {self.kind}", pointer=f"/{other}")
        return self

    @property
    def chosen(self) -> tuple[str, ...]:
        """The symbols as their provider writes them, each once; none of kind ingest."""
        return parse_symbols(self.symbols or (), self.spec.parse_symbol)
