"""From which session on a disclosure counts: the moments around closes."""

from datetime import date

import pytest

from kaboom.market.disclosure import decision_moment, end_of_day
from tests.fixtures.disclosures.made import jst

NEW, OLD = date(2024, 11, 5), date(2024, 11, 1)


@pytest.mark.parametrize(
    ("session", "at", "counts"),
    [
        (NEW, "2024-11-05 15:00", True),
        (NEW, "2024-11-05 15:29", True),
        (NEW, "2024-11-05 15:30", False),
        (NEW, "2024-11-05 16:00", False),
        # 24:30, as Japan writes it.
        (NEW, "2024-11-06 00:30", False),
        (NEW, "2024-11-04 23:59", True),
        # The close was at 15:00 until 2024-11-01.
        (OLD, "2024-11-01 14:59", True),
        (OLD, "2024-11-01 15:00", False),
        (OLD, "2024-11-01 15:29", False),
    ],
)
def test_what_is_disclosed_at_the_close_or_later_counts_in_the_next_session(
    session: date,
    at: str,
    *,
    counts: bool,
) -> None:
    assert (jst(at) <= decision_moment(session)) is counts


def test_a_day_without_a_time_counts_from_its_end() -> None:
    assert end_of_day(NEW) == jst("2024-11-06 00:00")
