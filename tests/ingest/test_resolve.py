"""From a request to a plan, on days that are easy to get wrong."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from kaboom.errors import InvalidRequest, ProviderError
from kaboom.ingest.plan import IngestPlan
from kaboom.ingest.request import IngestRequest
from kaboom.ingest.resolve import Planning, resolve_plan
from kaboom.market.calendar import JST
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.providers.base import BarProvider, BarRequest, Capabilities, FetchedBars
from kaboom.providers.file.provider import FileProvider
from kaboom.providers.registry import get_provider_spec
from kaboom.providers.synthetic.provider import SyntheticProvider

#: A Tuesday. The Monday before was a holiday (Culture Day), and the session closed at 15:30 JST.
NOV_4 = date(2025, 11, 4)
SYNTHETIC = SyntheticProvider(seed=1)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """Return a time of day in Japan."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=JST).astimezone(UTC)


EVENING = at(NOV_4, 20)


def resolve(
    request: IngestRequest, now: datetime = EVENING, provider: BarProvider = SYNTHETIC, *, delay_s: float = 3600
) -> IngestPlan:
    planning = Planning(lambda: now, Path("no-imported-lists"), delay_s, 4)
    return asyncio.run(resolve_plan(request, provider, planning))


def sessions_of(plan: IngestPlan, interval: Interval) -> tuple[date, ...]:
    (sessions,) = {chunk.sessions for chunk in plan.chunks if chunk.interval is interval}
    return sessions


class Narrow(SyntheticProvider):
    """A provider of daily bars of one market only."""

    capabilities = Capabilities(frozenset({Interval.D1}), frozenset({Market.TSE_PRIME}))


class Calendarless:
    """A provider that knows its own universe, and whose sessions cannot be had."""

    name = "own"
    capabilities = get_provider_spec("file").capabilities

    def __init__(self, universe: tuple[str, ...] | None, sessions: tuple[date, ...] | None = None) -> None:
        self._universe, self._sessions = universe, sessions

    async def fetch_universe(self, _market: Market, _session: date) -> tuple[str, ...] | None:
        """Return what the test said."""
        return self._universe

    async def fetch_sessions(self, _interval: Interval, _count: int, _until: date) -> tuple[date, ...] | None:
        """Return what the test said."""
        return self._sessions

    async def fetch_bars(self, _request: BarRequest) -> FetchedBars:
        """Fail: planning fetches no bars."""
        raise AssertionError

    async def close(self) -> None:
        """Do nothing."""


class TestSession:
    def test_the_day_after_a_holiday(self) -> None:
        plan = resolve(IngestRequest(intervals={Interval.M1: 1, Interval.M5: 2, Interval.D1: 30}))
        assert (plan.session, plan.is_final, plan.provider) == (NOV_4, True, "synthetic")
        assert sessions_of(plan, Interval.M1) == (NOV_4,)
        assert sessions_of(plan, Interval.M5) == (date(2025, 10, 31), NOV_4)
        daily = sessions_of(plan, Interval.D1)
        # 30 sessions back over three holidays: 2025-09-23, 10-13 and 11-03.
        assert (len(daily), daily[0], daily[-1]) == (30, date(2025, 9, 19), NOV_4)
        assert {date(2025, 9, 23), date(2025, 10, 13), date(2025, 11, 3)}.isdisjoint(daily)

    @pytest.mark.parametrize(
        ("now", "session"),
        [
            (at(NOV_4, 16, 30), NOV_4),
            (at(NOV_4, 16, 29), date(2025, 10, 31)),
            (at(NOV_4, 0, 1), date(2025, 10, 31)),
            (at(NOV_4 + timedelta(days=1), 8), NOV_4),
            (at(date(2025, 11, 8), 12), date(2025, 11, 7)),
            (at(date(2026, 1, 2), 20), date(2025, 12, 30)),
        ],
    )
    def test_the_newest_session_that_closed_an_hour_ago(self, now: datetime, session: date) -> None:
        assert resolve(IngestRequest(intervals={Interval.M1: 1}), now).session == session

    def test_a_named_session_is_taken_and_is_final_once_over(self) -> None:
        request = IngestRequest(intervals={Interval.M1: 1}, session=date(2025, 10, 31))
        plan = resolve(request)
        assert (plan.session, plan.is_final) == (date(2025, 10, 31), True)

    def test_a_session_that_still_runs_may_be_named_and_is_not_final(self) -> None:
        plan = resolve(IngestRequest(intervals={Interval.M1: 1}, session=NOV_4), at(NOV_4, 10))
        assert (plan.session, plan.is_final) == (NOV_4, False)

    def test_a_closed_day_is_refused_with_its_neighbours(self) -> None:
        with pytest.raises(InvalidRequest) as caught:
            resolve(IngestRequest(intervals={Interval.M1: 1}, session=date(2025, 11, 3)))
        expected = "session was 2025-11-03, not a trading day; the nearest are 2025-10-31 and 2025-11-04"
        assert (caught.value.message, caught.value.pointer) == (expected, "/session")

    def test_a_session_ahead_is_refused(self) -> None:
        with pytest.raises(InvalidRequest, match="session was 2025-11-05, which has not opened yet"):
            resolve(IngestRequest(intervals={Interval.M1: 1}, session=date(2025, 11, 5)))


class TestUniverse:
    def test_the_market_s_listing_and_how_old_it_is(self) -> None:
        plan = resolve(IngestRequest(intervals={Interval.M1: 1}))
        symbols = [s for chunk in plan.chunks for s in chunk.symbols]
        assert len(symbols) == len(set(symbols)) == plan.universe["symbols"] > 1500
        assert plan.universe["market"] == "TSE_PRIME"
        assert plan.universe["age_days"] == abs((NOV_4 - date.fromisoformat(plan.universe["as_of"])).days)

    def test_only_the_symbols_asked_for(self) -> None:
        plan = resolve(IngestRequest(intervals={Interval.M1: 1}, symbols=("6758", "7203")))
        assert [chunk.symbols for chunk in plan.chunks] == [("6758", "7203")]
        assert plan.universe["symbols"] == 2

    def test_the_delisted_of_a_market_are_not_counted_for_named_symbols(self) -> None:
        late = at(date(2026, 10, 30), 20)
        assert resolve(IngestRequest(intervals={Interval.D1: 1}), late).universe["delisted"] > 100
        assert resolve(IngestRequest(intervals={Interval.D1: 1}, symbols=("7203",)), late).universe["delisted"] == 0

    def test_a_retry_takes_what_was_left_of_each_interval(self) -> None:
        request = IngestRequest(intervals={Interval.M1: 1, Interval.D1: 5}, only={Interval.D1: ("7203",)})
        (chunk,) = resolve(request).chunks
        assert (chunk.interval, chunk.symbols, len(chunk.sessions)) == (Interval.D1, ("7203",), 5)

    def test_listings_of_a_provider_take_precedence(self) -> None:
        plan = resolve(IngestRequest(intervals={Interval.M1: 1}), provider=Calendarless(("7203",)))
        assert plan.universe == {"source": "own", "as_of": "2025-11-04", "market": "TSE_PRIME", "symbols": 1}

    def test_an_empty_one_is_refused(self) -> None:
        with pytest.raises(InvalidRequest, match="nothing to ingest: the universe of TSE_PRIME was empty"):
            resolve(IngestRequest(intervals={Interval.M1: 1}), provider=Calendarless(()))


class TestCapabilities:
    def test_an_interval_that_the_provider_lacks(self) -> None:
        with pytest.raises(InvalidRequest, match="intervals had 1m, 5m, provider synthetic serves 1d"):
            resolve(IngestRequest(intervals={Interval.M5: 1, Interval.M1: 1, Interval.D1: 1}), provider=Narrow(seed=1))

    def test_a_market_that_the_provider_lacks(self) -> None:
        with pytest.raises(
            InvalidRequest, match="market was FILE, provider synthetic serves INDEX, TSE_GROWTH, TSE_PRIME"
        ):
            resolve(IngestRequest(intervals={Interval.D1: 1}, market=Market.FILE))


class TestFiles:
    @pytest.fixture
    def provider(self, tmp_path: Path) -> FileProvider:
        # 2024-11-04 was a holiday in Japan and none in New York; the last day is after the clock's.
        days = ["2024-11-01", "2024-11-04", "2024-11-05", "2030-01-02"]
        lines = ["Date,Open,High,Low,Close,Volume", *(f"{day},10,12,9,11,100" for day in days)]
        (tmp_path / "SPY.csv").write_text("\n".join(lines) + "\n")
        return FileProvider(tmp_path)

    def test_its_sessions_and_symbols_are_those_of_the_files(self, provider: FileProvider) -> None:
        plan = resolve(IngestRequest(intervals={Interval.D1: 2}, market=Market.FILE), provider=provider)
        assert [(c.symbols, c.sessions) for c in plan.chunks] == [(("SPY",), (date(2024, 11, 4), date(2024, 11, 5)))]
        assert (plan.session, plan.universe["as_of"], plan.is_final) == (date(2024, 11, 5), "2024-11-05", True)

    def test_a_named_session_may_be_a_tse_holiday(self, provider: FileProvider) -> None:
        request = IngestRequest(intervals={Interval.D1: 9}, market=Market.FILE, session=date(2024, 11, 4))
        (chunk,) = resolve(request, provider=provider).chunks
        assert chunk.sessions == (date(2024, 11, 1), date(2024, 11, 4))

    def test_a_day_in_the_future_is_taken_and_is_not_the_newest_session(self, provider: FileProvider) -> None:
        plan = resolve(IngestRequest(all_days=True, market=Market.FILE), provider=provider)
        assert plan.chunks[0].sessions[-1] == date(2030, 1, 2)
        assert (plan.session, plan.universe["as_of"], plan.is_final) == (date(2024, 11, 5), "2024-11-05", True)

    def test_an_interval_that_no_file_has(self, provider: FileProvider) -> None:
        with pytest.raises(ProviderError, match="interval was 1m"):
            resolve(IngestRequest(intervals={Interval.M1: 1}, market=Market.FILE), provider=provider)
