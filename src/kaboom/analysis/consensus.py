"""The consensus of several opinions: the verdict of the majority, and the median of the numbers; pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from kaboom.analysis.opinion import Opinion, Point
from kaboom.analysis.vocabulary import Verdict


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
