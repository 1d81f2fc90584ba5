"""What a request may ask for, on both sides of each bound, with the numbers that a refusal names."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from kaboom.errors import InvalidRequest
from kaboom.ingest.checks import add_hints, check_capabilities, check_named, check_reach
from kaboom.ingest.request import IngestRequest
from kaboom.market.bounds import MAX_LOOKBACK
from kaboom.market.interval import Interval
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.history import ListingHistory
from kaboom.market.lists.snapshot import Snapshot
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import Capabilities
from kaboom.providers.registry import get_provider_spec

ANY = Capabilities(frozenset(Interval), frozenset(Market) - {Market.FILE})
NOV_4 = date(2025, 11, 4)
LIST = Snapshot(date(2025, 10, 31), "a test", (Listing("7203", "x", Market.TSE_PRIME, "", ""),))


def refusal(request: IngestRequest, capabilities: Capabilities) -> tuple[str, str | None]:
    with pytest.raises(InvalidRequest) as caught:
        check_capabilities(request, "test", capabilities)
    return caught.value.message, caught.value.pointer


def test_an_index_has_daily_bars_alone() -> None:
    intervals = {Interval.M5: 1, Interval.D1: 1, Interval.M1: 1}
    request = IngestRequest(intervals=intervals, market=Market.INDEX)
    assert refusal(request, ANY) == ("intervals had 1m, 5m, market INDEX has only daily bars: 1d", "/intervals")
    check_capabilities(replace_intervals(request, {Interval.D1: 1}), "test", ANY)
    check_capabilities(IngestRequest(intervals=intervals), "test", ANY)


def replace_intervals(request: IngestRequest, intervals: dict[Interval, int]) -> IngestRequest:
    return request.model_copy(update={"intervals": intervals})


def test_a_look_back_has_a_most_that_files_do_not_have() -> None:
    for count in (1, MAX_LOOKBACK):
        check_capabilities(IngestRequest(intervals={Interval.D1: count}), "test", ANY)
    request = IngestRequest(intervals={Interval.M1: 1, Interval.D1: MAX_LOOKBACK + 1})
    message = f"look-back of 1d was {MAX_LOOKBACK + 1}, expected at most {MAX_LOOKBACK}"
    assert refusal(request, ANY) == (message, "/intervals/1d")
    check_capabilities(request, "test", Capabilities(frozenset(Interval), frozenset(Market)))


def test_a_provider_reaches_back_to_its_oldest_day_by_japans_clock() -> None:
    narrow = replace(ANY, reach_days={Interval.M1: 30})
    # In Japan it is already the 5th.
    now = datetime(2025, 11, 4, 15, tzinfo=UTC)
    check_reach("test", narrow, Interval.M1, date(2025, 10, 6), now)
    check_reach("test", narrow, Interval.D1, date(1990, 1, 4), now)
    with pytest.raises(InvalidRequest) as caught:
        check_reach("test", narrow, Interval.M1, date(2025, 10, 5), now)
    message = "1m was requested from 2025-10-05, provider test has the last 30 days, from 2025-10-06"
    assert (caught.value.message, caught.value.pointer) == (message, "/intervals/1m")


@pytest.mark.parametrize(
    ("count", "named"), [(5, "7204, 7205, 7206, 7207, 7208"), (7, "7204, 7205, 7206, 7207, 7208 and 2 more")]
)
def test_five_unknown_codes_are_named_and_the_others_counted(count: int, named: str) -> None:
    request = IngestRequest(intervals={Interval.D1: 1}, symbols=tuple(str(7204 + n) for n in range(count)))
    with pytest.raises(
        InvalidRequest, match=f"^symbols had {named}, which no symbol list has; nearest to 7204: 7203; "
    ):
        check_named(request, NOV_4, get_provider_spec("synthetic").capabilities, lambda: ListingHistory((LIST,)))


@pytest.mark.parametrize(("count", "is_near"), [(5, True), (6, False)])
def test_the_nearest_codes_of_five_unknown_ones_are_looked_up(count: int, *, is_near: bool) -> None:
    said = {str(n): SymbolOutcome(str(n), Outcome.NOT_LISTED) for n in range(7204, 7204 + count)}
    found = add_hints(said, ListingHistory((LIST,)), NOV_4)
    assert {"nearest to" in each.message for each in found.values()} == {is_near}
    assert add_hints(said, None, NOV_4) == said


def test_all_symbols_must_have_left_for_a_provider_of_its_own_lists_to_be_refused() -> None:
    before = replace(LIST, as_of=date(2025, 9, 30), listings=(*LIST.listings, replace(LIST.listings[0], symbol="9613")))
    history = ListingHistory((before, LIST))
    yahoo = get_provider_spec("yahoo").capabilities
    for symbols in (("9613", "7203"), ("9613", "9998")):
        check_named(IngestRequest(intervals={Interval.D1: 1}, symbols=symbols), NOV_4, yahoo, lambda: history)
    gone = IngestRequest(intervals={Interval.D1: 1}, symbols=("9613",))
    with pytest.raises(InvalidRequest, match=r"^9613 was not listed on 2025-11-04: left after 2025-09-30"):
        check_named(gone, NOV_4, yahoo, lambda: history)
    # One that knows the listings is asked.
    check_named(gone, NOV_4, replace(yahoo, knows_listings=True), lambda: history)
