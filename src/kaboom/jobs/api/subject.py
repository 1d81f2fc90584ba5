"""What a job is about: the parts of its request that tell it from other jobs of its task."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from kaboom.jobs.model import Job

#: The symbols that a list names.
_MOST_SYMBOLS = 3


class Subject(BaseModel):
    """The parts of a request that tell a job from others of its task; lists have it, where `request` is null."""

    strategy: str | None = Field(default=None, examples=["sma_cross"])
    parameters: dict[str, Any] = Field(
        default={}, description="those with one value", examples=[{"fast": 10, "slow": 20}]
    )
    kind: str | None = Field(default=None, examples=["technical"])
    symbols: list[str] = Field(default=[], description="the first three", examples=[["7203", "6758", "9984"]])
    symbol_count: int | None = Field(
        default=None, description="how many it names; null: all of its market", examples=[12]
    )
    interval: str | None = Field(default=None, description="of a job of one; see `intervals`", examples=["1d"])
    provider: str | None = Field(default=None, examples=["synthetic"])
    tags: list[str] = Field(default=[], examples=[["october"]])


def subject_of(job: Job) -> Subject:
    """Return what a job is about; its result says what the request leaves to the server."""
    request, result = job.request, job.shown_result or {}
    symbols = request.get("symbols")
    # Each kind of job has its own request: the same name may be something else there.
    symbols = symbols if isinstance(symbols, list | tuple) else ()
    return Subject(
        strategy=_text(request.get("strategy")),
        parameters=_parameters_of(request.get("parameters"), result.get("parameters")),
        kind=_text(request.get("kind")),
        symbols=[str(each) for each in symbols[:_MOST_SYMBOLS]],
        symbol_count=len(symbols) or None,
        interval=_text(request.get("interval")) or _text(result.get("interval")),
        provider=_text(request.get("provider")) or _text(result.get("provider")),
        tags=list(request.get("tags") or ()),
    )


def _parameters_of(asked: object, used: object) -> dict[str, Any]:
    asked = asked if isinstance(asked, Mapping) else {}
    is_sweep = any(isinstance(value, list) for value in asked.values())
    found = used if isinstance(used, Mapping) and not is_sweep else asked
    return {name: value for name, value in found.items() if value is not None and not isinstance(value, list)}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
