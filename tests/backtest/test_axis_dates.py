"""Dates below a curve: no two at one place, and none twice."""

from datetime import date, timedelta
from itertools import pairwise

import pytest

from kaboom.backtest.report.charts import build_times


@pytest.mark.parametrize("days", [1, 2, 30, 110, 163, 250, 400, 729, 1250, 5000])
@pytest.mark.parametrize("first", [date(2024, 1, 4), date(2026, 6, 17), date(2026, 12, 30)])
def test_no_two_dates_are_at_one_place(first: date, days: int) -> None:
    marks = build_times([first + timedelta(n) for n in range(days)])
    # Of a plot of 358 pixels on a phone, a text of 45 pixels takes 12.6%; the outer ones begin and end at the edges.
    middles = [mark.x + {"start": 6.3, "middle": 0.0, "end": -6.3}[mark.anchor] for mark in marks]
    assert all(right - left >= 12.6 for left, right in pairwise(middles))


def test_days_are_shown_where_no_second_month_begins() -> None:
    marks = build_times([date(2026, 11, 24) + timedelta(n) for n in range(14)])
    assert [mark.label for mark in marks] == ["2026-11-24", "11-29", "12-01", "12-03", "2026-12-07"]


def test_a_month_is_named_once() -> None:
    marks = build_times([date(2026, 6, 17) + timedelta(n) for n in range(164)])
    assert [mark.label for mark in marks] == ["2026-06", "2026-08", "2026-09", "2026-10", "2026-11"]


def test_a_month_is_shown_from_a_fifth_of_the_plot_on() -> None:
    # 2025-03 begins at 4% of 200 days, too near to the edge, and 2025-04 at 19.5%.
    marks = build_times([date(2025, 2, 21) + timedelta(n) for n in range(201)])
    assert [(mark.x, mark.label) for mark in marks[:2]] == [(0.0, "2025-02"), (19.5, "2025-04")]
