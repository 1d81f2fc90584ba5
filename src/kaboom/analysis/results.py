"""The result of an analysis job."""

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: Whether a picture of the bars of a subject exists (`kept`), and whether models get it (`sent`).
type PictureUse = Literal["none", "kept", "sent"]


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class CitedNumber(_Shown):
    """A number in a point, with the row and the field that it was matched with."""

    source: str
    field: str
    value: float


class AnalysisPoint(_Shown):
    """A sentence; each number in it is one of its claims."""

    text: str
    claims: list[CitedNumber]


class Source(_Shown):
    """A row of facts that the analysis used."""

    id: str
    session: date | None = None
    values: dict[str, float]
    notes: dict[str, str] = Field(default_factory=dict, description="texts of others, cleaned; nothing cites them")


class AskedModel(_Shown):
    """A model that was asked, and how the request ended."""

    model: str
    ending: str = Field(description="used, refused, failed or not_asked")
    verdict: str | None = None
    confidence: float | None = None
    reason: str = Field(description="why its answer is not used")
    prompt_tokens: int
    completion_tokens: int
    cost_microdollars: int
    latency_ms: int
    tries: int
    is_kept: bool = Field(description="an answer to the same content from before, which cost nothing now")


class SubjectAnalysis(_Shown):
    """The analysis of one symbol or of one job."""

    subject: str
    analyst: str = Field(description="rules-1 for the local rules, models for a consensus of models")
    reason: str = Field(description="why the rules analyst stands in for models; empty otherwise")
    verdict: str | None = Field(description="null where there is no consensus")
    verdict_words: str | None = Field(description="the verdict in the language of the request")
    confidence: float | None
    spread: float = Field(description="the largest confidence less the smallest")
    agreed: int = Field(description="how many analysts say the verdict")
    asked: int
    points: list[AnalysisPoint]
    sources: list[Source]
    models: list[AskedModel]
    picture: PictureUse = Field(
        default="none", description="the candles as a picture: kept here, or sent to models, too"
    )


class Preview(_Shown):
    """The content that would be sent to models about one subject."""

    subject: str
    destination: str | None = Field(description="the server; null where nothing can be sent")
    models: list[str]
    system: str
    user: str
    answer_schema: dict[str, Any]
    most_microdollars: int = Field(description="the most that is reserved for it, without tries that are repeated")
    picture: PictureUse = Field(default="none", description="sent: the candles would be sent, too, as a picture")


class AnalysisResult(_Shown):
    """The analyses of symbols or of a job; for a dry run, the content that would be sent."""

    kind: str
    language: str
    disclaimer: str
    prompt_version: str
    provider: str | None
    session: date | None = Field(description="the last session; null of kind ingest")
    cost_microdollars: int
    analyses: list[SubjectAnalysis]
    previews: list[Preview]
