"""The analysis of one subject: the consensus, its analyst, and the answer of each model that was asked."""

from dataclasses import dataclass
from enum import StrEnum

from kaboom.analysis.consensus import Consensus, find_consensus
from kaboom.analysis.facts.model import Facts
from kaboom.analysis.opinion import Opinion
from kaboom.analysis.rules.analyst import RULES_ANALYST, give_opinion
from kaboom.analysis.vocabulary import Language

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
