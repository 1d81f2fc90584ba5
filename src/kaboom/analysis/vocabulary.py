"""The words of analyses: kinds, verdicts, languages, and the disclaimer that is on each of them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

type Language = Literal["ja", "en"]


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

_WORDS: Mapping[Verdict, tuple[str, str]] = MappingProxyType(
    {
        Verdict.BULLISH: ("bullish", "強気"),
        Verdict.NEUTRAL: ("neutral", "中立"),
        Verdict.BEARISH: ("bearish", "弱気"),
        Verdict.LOW: ("low risk", "リスク：低"),
        Verdict.MEDIUM: ("medium risk", "リスク：中"),
        Verdict.HIGH: ("high risk", "リスク：高"),
        Verdict.COMPLETE: ("nothing is missing", "欠損なし"),
        Verdict.PROVIDER: ("the provider failed", "データ提供元のエラー"),
        Verdict.QUALITY: ("rows failed the quality checks", "品質検査で不合格"),
        Verdict.STORAGE: ("bars could not be stored", "保存に失敗"),
        Verdict.MIXED: ("several causes", "複数の原因"),
        Verdict.AHEAD: ("ahead of the benchmark", "ベンチマークを上回る"),
        Verdict.LEVEL: ("about level with the benchmark", "ベンチマークと同程度"),
        Verdict.BEHIND: ("behind the benchmark", "ベンチマークを下回る"),
        Verdict.UNCLEAR: ("too little to compare with the benchmark", "ベンチマークとの比較には材料不足"),
    }
)

#: By whether models wrote an analysis, not the fixed rules; None where that is not known.
_WRITTEN: Mapping[bool | None, Mapping[Language, str]] = MappingProxyType(
    {
        True: {
            "en": "This analysis was generated automatically by AI models for information only. ",
            "ja": "本分析はAIが自動生成した参考情報で、",
        },
        False: {
            "en": "This analysis was generated automatically by fixed rules for information only. ",
            "ja": "本分析は固定のルールにより自動生成された参考情報で、",
        },
        None: {
            "en": "This analysis was generated automatically, by AI models or by fixed rules, for information only. ",
            "ja": "本分析はAIまたは固定のルールにより自動生成された参考情報で、",
        },
    }
)
_DISCLAIMER: Mapping[Language, str] = MappingProxyType(
    {
        "en": (
            "It is neither an investment solicitation nor investment advice. Its accuracy and completeness are not "
            "guaranteed. You are responsible for your own investment decisions."
        ),
        "ja": (
            "投資勧誘・投資助言を目的としません。正確性・完全性を保証しません。投資判断はご自身の責任で行ってください。"
        ),
    }
)


#: The additional sentence about backtests.
_SIMULATED: Mapping[Language, str] = MappingProxyType(
    {
        "en": " A backtest is a simulation on past data, and promises no future result.",
        "ja": "バックテストは過去のデータによるシミュレーションであり、将来の成果を保証しません。",
    }
)


def say_verdict(verdict: Verdict, language: Language) -> str:
    """Return a verdict in words, such as 強気."""
    return _WORDS[verdict][language == "ja"]


def disclaimer(language: Language, kind: Kind, *, is_by_models: bool | None) -> str:
    """Return the sentences that are on each analysis of a kind; None if it is not known who wrote it."""
    written = _WRITTEN[is_by_models][language] + _DISCLAIMER[language]
    return written + (_SIMULATED[language] if kind is Kind.BACKTEST else "")
