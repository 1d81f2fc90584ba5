"""The range of the time to go follows from how much the rate has varied, and holds in four of five cases."""

import math
import random
from itertools import pairwise

import pytest

from kaboom.jobs.model import Pace, foresee


def watch(samples: list[float], seconds: float = 1.0) -> Pace:
    pace = Pace(samples[0] / seconds)
    for items in samples[1:]:
        pace = pace.after(items, seconds)
    return pace


def test_a_steady_rate_has_no_range_to_speak_of() -> None:
    low, high = foresee(100, watch([5.0] * 20), seen_s=20) or (0.0, 0.0)
    assert [low, high] == pytest.approx([20, 20])


def test_a_rate_that_varies_more_has_a_wider_range() -> None:
    widths = []
    for wave in (1, 2, 4):
        low, high = foresee(100, watch([5.0 + wave, 5.0 - wave] * 10), seen_s=20) or (0.0, 0.0)
        assert low < 20 < high
        widths.append(high / low)
    assert all(after > before for before, after in pairwise(widths))


def test_little_seen_is_little_known() -> None:
    pace = watch([4.0, 6.0] * 10)
    early, late = (foresee(1000, pace, seen_s=seen_s) for seen_s in (2, 20))
    assert early is not None
    assert late is not None
    assert early[0] < late[0] < late[1] < early[1]


@pytest.mark.parametrize("pace", [Pace(5.0), Pace(0.0, 1.0)])
def test_one_sample_or_no_speed_gives_no_range(pace: Pace) -> None:
    assert foresee(100, pace, seen_s=20) is None


def test_a_slow_job_has_a_range_from_its_first_moment() -> None:
    """Half an item a second, and half a second of it."""
    assert foresee(100, Pace(0.5, 0.0), seen_s=20) == (200.0, 200.0)
    assert foresee(100, Pace(5.0, 0.0), seen_s=0.5) == (20.0, 20.0)
    assert foresee(0, Pace(5.0, 1.0), seen_s=20) == (0.0, 0.0)
    assert foresee(100, Pace(5.0, 0.0), seen_s=0.0) is None


def test_a_wildly_varying_rate_gives_no_estimate() -> None:
    assert foresee(10, watch([0.0, 100.0, 0.0, 0.0, 0.0]), seen_s=5) is None


@pytest.mark.parametrize("minutes", [1, 3, 10, 60, 24 * 60])
def test_a_hanging_job_gives_no_estimate(minutes: int) -> None:
    pace = watch([5.0] * 10 + [0.0] * (60 * minutes))
    assert foresee(1, pace, seen_s=60.0 * minutes) is None


@pytest.mark.parametrize("batch", [1, 20])
def test_four_of_five_jobs_end_within_the_range(batch: int) -> None:
    """Items settle in batches at random moments; `batch` says how lumpy that is."""
    rng, hits, trials = random.Random(7), 0, 400
    for _ in range(trials):
        samples = [batch * sum(rng.random() < 0.4 for _ in range(10)) * 1.0 for _ in range(40)]
        low, high = foresee(1200, watch(samples), seen_s=40) or (math.nan, math.nan)
        took = left = 0
        while left < 1200:
            left += batch * (rng.random() < 0.4)
            took += 1
        hits += low <= took / 10 <= high
    assert 0.70 <= hits / trials <= 0.92
