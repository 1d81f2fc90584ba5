"""The analysis of one subject: the consensus, its analyst, and the answer of each model that was asked."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from kaboom.analysis.facts.model import Facts
from kaboom.analysis.opinion import Opinion, Point
from kaboom.analysis.rules import RULES_ANALYST, give_opinion
from kaboom.analysis.vocabulary import Verdict
from kaboom.text.catalogue import Language


@dataclass(frozen=True, slots=True)
class Consensus:
    """The consensus of several analysts.

    Attributes:
        verdict: that of more than half of the analysts asked; None if there is no consensus, which is a result, too.
        confidence: the median of the analysts that agree; without consensus, of all opinions; None without opinions.
        spread: the largest of these confidences less the smallest.
        agreed: how many gave the verdict. `asked` counts analysts that failed, too.
        points: those of the agreeing opinion whose confidence is nearest to the median; none without a consensus.

    """

    verdict: Verdict | None
    confidence: float | None
    spread: float
    agreed: int
    asked: int
    points: tuple[Point, ...]


def find_consensus(opinions: Sequence[Opinion], *, asked: int) -> Consensus:
    """Return the consensus of opinions on one subject; the order of opinions decides ties."""
    if not opinions:
        return Consensus(None, None, 0.0, 0, asked, ())
    verdict, count = Counter(opinion.verdict for opinion in opinions).most_common(1)[0]
    has_majority = count * 2 > asked
    counted = [one for one in opinions if one.verdict == verdict] if has_majority else list(opinions)
    values = [opinion.confidence for opinion in counted]
    middle, spread = round(median(values), 4), round(max(values) - min(values), 4)
    if not has_majority:
        return Consensus(None, middle, spread, count, asked, ())
    nearest = min(counted, key=lambda opinion: abs(opinion.confidence - middle))
    return Consensus(verdict, middle, spread, count, asked, nearest.points)


#: The analyst of a consensus of models.
MODELS_ANALYST = "models"


class Ending(StrEnum):
    """How a question to a model ended."""

    USED = "used"  # its opinion counts
    REFUSED = "refused"  # its answer failed a check
    FAILED = "failed"  # it gave no answer
    NOT_ASKED = "not_asked"  # the budget was used up, the breaker was open, or there was no time


@dataclass(frozen=True, slots=True)
class Answer:
    """A question to one model and its fallbacks, and the result.

    Attributes:
        model: the model that answered; before that, the one that was asked first.
        reason: why there is no opinion.
        cost: in micro-dollars; 0 for an answer that was kept from before (`is_kept`).
        latency_ms: from the question to the answer, with all tries.

    """

    model: str
    ending: Ending
    opinion: Opinion | None = None
    reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: int = 0
    latency_ms: int = 0
    tries: int = 0
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analysis of one subject, and its facts; `reason` is why the rules analyst replaces models."""

    facts: Facts
    analyst: str
    consensus: Consensus
    answers: tuple[Answer, ...] = ()
    reason: str = ""


def analyse_by_rules(
    facts: Facts, language: Language, *, answers: tuple[Answer, ...] = (), reason: str = ""
) -> Analysis:
    """Return the analysis of the rules analyst; `answers` are those of models that could not be used."""
    consensus = find_consensus([give_opinion(facts, language)], asked=1)
    return Analysis(facts, RULES_ANALYST, consensus, answers, reason)


def without_bars(facts: Facts, reason: str) -> Analysis:
    """Return the analysis of a symbol that has no bars: nobody judged it."""
    return Analysis(facts, RULES_ANALYST, find_consensus([], asked=0), (), reason)


def analyse_by_models(facts: Facts, answers: tuple[Answer, ...]) -> Analysis:
    """Return the consensus of the models; that there is none is a result, too."""
    opinions = [answer.opinion for answer in answers if answer.opinion is not None]
    return Analysis(facts, MODELS_ANALYST, find_consensus(opinions, asked=len(answers)), answers)
