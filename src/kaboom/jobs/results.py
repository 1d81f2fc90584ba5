"""The models that results of jobs are built from; a result is shown by its model, never by its keys."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field


class PlannedResult(BaseModel):
    """The result of a job with chunks: its plan, and the outcomes of its items so far."""

    model_config = ConfigDict(extra="forbid")

    chunks: int = Field(description="chunks that were planned; 0 of a dry run")
    rows: int = Field(description="bars written")
    outcomes: dict[str, int] = Field(description="items by outcome")
    counts: dict[str, int] = Field(description="further counts, such as quality flags")


class OfProvider(BaseModel):
    """A part of results: the provider of the bars, which is shown as their source."""

    provider: str


class OfSession(BaseModel):
    """A part of results: the last session, which is shown with the job."""

    session: date = Field(description="the last session")
    is_final: bool = Field(description="whether the session was over when the job was planned")


class Span(BaseModel):
    """A first and a last session."""

    first: date
    last: date


class OfSpans(OfSession):
    """A part of results: the sessions of each interval."""

    sessions: Mapping[str, Span] = Field(description="by interval")


def list_facts(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the fields of a result with their values: texts as they are, others as JSON."""
    return [(k, v if isinstance(v, str) else orjson.dumps(v).decode()) for k, v in result.items()]
