"""The days that an ingest takes of own files, and the rows of other days."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kaboom.ingest.request import IngestRequest
from kaboom.ingest.resolve import choose_days, describe_outside
from kaboom.market.interval import Interval
from kaboom.market.listing import Market

NOW = datetime(2024, 1, 31, tzinfo=UTC)
FIRST = date(2000, 1, 1)
#: 6,000 days with two rows each, and one in the future with one.
DAYS = {FIRST + timedelta(days=n): 2 for n in range(6_000)} | {date(2050, 1, 1): 1}
HELD = {Interval.D1: DAYS}


def chosen(**values: object) -> tuple[date, ...]:
    return choose_days(IngestRequest.parse({"market": "FILE", **values}), HELD, NOW)[Interval.D1]


def test_all_days_have_no_limit_and_include_the_future() -> None:
    assert chosen(all_days=True) == tuple(DAYS)


def test_a_look_back_is_of_days_that_have_come() -> None:
    assert chosen(intervals={"1d": 5_500}) == tuple(DAYS)[500:6_000]


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"first": "2000-01-03", "session": "2000-01-05"}, 3),
        ({"first": "2016-06-01"}, 4 + 1),
        ({"all_days": True, "session": "2000-01-05"}, 5),
    ],
)
def test_a_span_has_both_its_ends(asked: dict[str, object], count: int) -> None:
    days = chosen(**asked)
    assert len(days) == count
    assert days[0] >= date.fromisoformat(str(asked.get("first", "2000-01-01")))


def test_rows_of_other_days_are_counted() -> None:
    request = IngestRequest(intervals={Interval.D1: 10}, market=Market.FILE)
    assert describe_outside(HELD, choose_days(request, HELD, NOW)) == {
        "1d": {"rows": 2 * 5_990 + 1, "of": 12_001, "first": "2000-01-01", "last": "2050-01-01"}
    }
    assert describe_outside(HELD, {Interval.D1: tuple(DAYS)}) == {}
