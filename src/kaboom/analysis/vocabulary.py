"""The words of analyses: kinds, verdicts, languages, and the disclaimer that is on each of them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from kaboom.text.catalogue import Language, gettext, gettext_noop
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

#: By whether models wrote an analysis, not the fixed rules; None where that is not known.
_WRITTEN: Mapping[bool | None, str] = MappingProxyType(
    {
        True: gettext_noop("This analysis was generated automatically by AI models for information only. "),
        False: gettext_noop("This analysis was generated automatically by fixed rules for information only. "),
        None: gettext_noop(
            "This analysis was generated automatically, by AI models or by fixed rules, for information only. "
        ),
    }
)
_DISCLAIMER = gettext_noop(
    "It is neither an investment solicitation nor investment advice. Its accuracy and completeness are not "
    "guaranteed. You are responsible for your own investment decisions."
)
#: The additional sentence about backtests.
_SIMULATED = gettext_noop(" A backtest is a simulation on past data, and promises no future result.")


def say_verdict(verdict: Verdict, language: Language) -> str:
    """Return a verdict in words, such as 強気."""
    return say_title("analysis_verdict", verdict, language)


def disclaimer(language: Language, kind: Kind, *, is_by_models: bool | None) -> str:
    """Return the sentences that are on each analysis of a kind; None if it is not known who wrote it."""
    texts = (_WRITTEN[is_by_models], _DISCLAIMER, *([_SIMULATED] if kind is Kind.BACKTEST else []))
    return "".join(gettext(text, language) for text in texts)
