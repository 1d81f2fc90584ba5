"""The consensus of several opinions: a majority of those asked, the median, the spread."""

from hypothesis import given
from hypothesis import strategies as st

from kaboom.analysis.opinion import Opinion
from kaboom.analysis.report import find_consensus
from kaboom.analysis.vocabulary import Verdict
from tests.analysis.cases import answer

VERDICTS = st.sampled_from([Verdict.BULLISH, Verdict.NEUTRAL, Verdict.BEARISH])
OPINIONS = st.lists(st.tuples(VERDICTS, st.integers(0, 100).map(lambda n: n / 100)), max_size=7)


def opinion(verdict: Verdict, confidence: float) -> Opinion:
    # The confidence tells the points apart.
    made = answer(f"終値です{'。' * round(confidence * 100)}", verdict=verdict, confidence=confidence)
    made["points"] = tuple({**point, "claims": tuple(point["claims"])} for point in made["points"])
    return Opinion.model_validate(made)


def test_the_majority_decides_and_the_median_is_of_those_who_agree() -> None:
    told = [opinion(Verdict.BULLISH, 0.6), opinion(Verdict.BEARISH, 0.99), opinion(Verdict.BULLISH, 0.9)]
    found = find_consensus(told, asked=3)
    assert (found.verdict, found.confidence, found.spread) == (Verdict.BULLISH, 0.75, 0.3)
    assert (found.agreed, found.asked) == (2, 3)
    assert found.points == told[0].points


def test_three_ways_are_no_consensus_and_have_no_points() -> None:
    told = [opinion(Verdict.BULLISH, 0.6), opinion(Verdict.NEUTRAL, 0.5), opinion(Verdict.BEARISH, 0.9)]
    found = find_consensus(told, asked=3)
    assert (found.verdict, found.points, found.confidence) == (None, (), 0.6)


def test_analysts_who_failed_count_as_asked() -> None:
    assert find_consensus([opinion(Verdict.BULLISH, 0.9)], asked=3).verdict is None
    assert find_consensus([opinion(Verdict.BULLISH, 0.9)], asked=1).verdict == Verdict.BULLISH
    assert find_consensus([], asked=3).confidence is None


@given(OPINIONS, st.integers(0, 3))
def test_a_verdict_has_more_than_half_of_all_asked(told: list[tuple[Verdict, float]], failed: int) -> None:
    found = find_consensus([opinion(*one) for one in told], asked=len(told) + failed)
    counts = {verdict: sum(verdict == one for one, _ in told) for verdict in Verdict}
    best = max(counts.values())
    assert (found.verdict is not None) == (best * 2 > len(told) + failed)
    assert found.verdict is None or counts[found.verdict] == best
