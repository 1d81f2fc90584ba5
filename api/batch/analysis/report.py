"""The analysis of one subject: what the analysts agree on, by whom, and what became of each model that was asked."""

from dataclasses import dataclass
from enum import StrEnum

from batch.analysis.consensus import Consensus, find_consensus
from batch.analysis.facts.model import Facts
from batch.analysis.opinion import Opinion
from batch.analysis.rules.analyst import RULES_ANALYST, give_opinion
from batch.analysis.vocabulary import Language

#: The analyst of a consensus of models.
MODELS_ANALYST = "models"


class Ending(StrEnum):
    """What became of a question to a model."""

    USED = "used"  # its opinion counts
    REFUSED = "refused"  # its answer failed a check
    FAILED = "failed"  # it gave no answer
    NOT_ASKED = "not_asked"  # the budget was used up, the breaker was open, or there was no time


@dataclass(frozen=True, slots=True)
class Answer:
    """A question to one model and its fallbacks, and what came back.

    Attributes:
        model: the model that answered; before that, the one that was asked first.
        reason: why there is no opinion.
        cost: what it cost, in micro-dollars; 0 of an answer that was kept from before (`is_kept`).
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
    """What is said of one subject, and on which facts; `reason` is why the rules analyst stands in for models."""

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


def analyse_by_models(facts: Facts, answers: tuple[Answer, ...]) -> Analysis:
    """Return what the models agree on; that they do not agree is a result, too."""
    opinions = [answer.opinion for answer in answers if answer.opinion is not None]
    return Analysis(facts, MODELS_ANALYST, find_consensus(opinions, asked=len(answers)), answers)
