"""The words of analyses: kinds and verdicts."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from kaboom.text.catalogue import Language
from kaboom.text.tables import say_title


class Kind(StrEnum):
    """The kind of an analysis."""

    TECHNICAL = "technical"
    RISK = "risk"
    INGEST = "ingest"
    BACKTEST = "backtest"

    @property
    def is_of_job(self) -> bool:
        """Whether it is about a job, not about symbols."""
        return self in {Kind.INGEST, Kind.BACKTEST}


class Verdict(StrEnum):
    """The label of an opinion; `VERDICTS` has those of each kind."""

    BULLISH = "bullish"
    NEUTRAL = "neutral"
    BEARISH = "bearish"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    COMPLETE = "complete"
    PROVIDER = "provider"
    QUALITY = "quality"
    STORAGE = "storage"
    MIXED = "mixed"
    AHEAD = "ahead"
    LEVEL = "level"
    BEHIND = "behind"
    UNCLEAR = "unclear"


#: The closed set of verdicts of each kind: the direction for a technical analysis, the degree for a risk analysis, the
#: cause of failures for an ingest job, the comparison with the benchmark for a backtest.
VERDICTS: Mapping[Kind, tuple[Verdict, ...]] = MappingProxyType(
    {
        Kind.TECHNICAL: (Verdict.BULLISH, Verdict.NEUTRAL, Verdict.BEARISH),
        Kind.RISK: (Verdict.LOW, Verdict.MEDIUM, Verdict.HIGH),
        Kind.BACKTEST: (Verdict.AHEAD, Verdict.LEVEL, Verdict.BEHIND, Verdict.UNCLEAR),
        Kind.INGEST: (Verdict.COMPLETE, Verdict.PROVIDER, Verdict.QUALITY, Verdict.STORAGE, Verdict.MIXED),
    }
)


def say_verdict(verdict: Verdict, language: Language) -> str:
    """Return a verdict in words, such as 強気."""
    return say_title("analysis_verdict", verdict, language)
