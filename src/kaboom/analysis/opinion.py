"""The answer of an analyst: a verdict, a confidence, and points that cite source rows; a closed schema."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from kaboom.analysis.vocabulary import VERDICTS, Kind, Verdict

MOST_POINTS = 8
MOST_CLAIMS = 6


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Claim(_Closed):
    """A number, copied from a field of a source row."""

    source: str = Field(min_length=1, max_length=120)
    field: str = Field(min_length=1, max_length=60)
    value: float = Field(allow_inf_nan=False)


class Point(_Closed):
    """A sentence, and the claims that it rests on: each number in the text is one of them."""

    text: str = Field(min_length=1, max_length=300)
    claims: tuple[Claim, ...] = Field(min_length=1, max_length=MOST_CLAIMS)


class Opinion(_Closed):
    """The answer of one analyst on one subject."""

    subject: str = Field(min_length=1, max_length=40)
    verdict: Verdict
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    points: tuple[Point, ...] = Field(min_length=1, max_length=MOST_POINTS)


def build_schema(kind: Kind) -> dict[str, Any]:
    """Return the JSON schema of an opinion of a kind: all properties required, no others, only verdicts of the kind."""
    schema = Opinion.model_json_schema()
    schema["$defs"]["Verdict"] = {"type": "string", "enum": [verdict.value for verdict in VERDICTS[kind]]}
    return schema
