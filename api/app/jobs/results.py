"""The fields that all results of jobs with chunks have."""

from pydantic import BaseModel, ConfigDict, Field


class PlannedResult(BaseModel):
    """The result of a job with chunks: its plan, and the outcomes of its items so far."""

    model_config = ConfigDict(extra="forbid")

    chunks: int = Field(description="chunks that were planned; 0 of a dry run")
    rows: int = Field(description="bars written")
    outcomes: dict[str, int] = Field(description="items by outcome")
    counts: dict[str, int] = Field(description="further counts, such as quality flags")
