"""The newest bars: of a session that lasts each symbol once, of one that is over only what is missing."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.errors import InvalidRequest
from kaboom.ingest.plan import IngestChunk, IngestPlan
from kaboom.ingest.request import QuotesRequest
from kaboom.ingest.resolve import Planning
from kaboom.ingest.run_daily import InProcessExecutor, newest_session, resolve_quotes
from kaboom.ingest.window import IngestTools, drop_unfinished
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import JST, closes_at
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.registry import get_provider_spec
from kaboom.providers.synthetic.provider import SyntheticProvider
from tests.fixtures.bars.raw_bars import raw_bar, raw_frame

pytestmark = pytest.mark.anyio
#: A Tuesday; the Monday before was a holiday.
NOV_4, OCT_31 = date(2025, 11, 4), date(2025, 10, 31)
SYMBOLS = ("1301", "7203", "6758")
SERIES = BarSeries("synthetic", Interval.M1)


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2025, 11, 4, hour, minute, second, tzinfo=JST).astimezone(UTC)


class Eager:
    """The synthetic provider at a later hour: it gives the bars that are still being made, and counts."""

    def __init__(self, now: datetime) -> None:
        self._inner = SyntheticProvider(seed=7, clock=lambda: now)
        self.name, self.capabilities = self._inner.name, self._inner.capabilities
        self.requests: list[BarRequest] = []

    async def fetch_universe(self, market: Market, session: date) -> tuple[str, ...] | None:
        """As the synthetic one."""
        return await self._inner.fetch_universe(market, session)

    async def fetch_sessions(self, interval: Interval, count: int, until: date) -> tuple[date, ...] | None:
        """As the synthetic one."""
        return await self._inner.fetch_sessions(interval, count, until)

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        """As the synthetic one, and count."""
        self.requests.append(request)
        return await self._inner.fetch_bars(request)

    async def close(self) -> None:
        """Do nothing."""


@dataclass
class Desk:
    """A store, and refreshes of it at times of day."""

    store: MemoryBarStore = field(default_factory=MemoryBarStore)
    plan: IngestPlan | None = None

    async def refresh(
        self, now: datetime, interval: str = "1m", ahead: timedelta = timedelta(), session: date | None = None
    ) -> Eager:
        """Run a refresh, of a named session as a retry does; the provider's clock is ahead of ours."""
        provider = Eager(now + ahead)
        request = QuotesRequest.parse({"interval": interval, "symbols": list(SYMBOLS)}).to_ingest("synthetic")
        request = request.model_copy(update={"session": session})
        self.plan = await resolve_quotes(request, provider, self.store, Planning(lambda: now, Path("none"), 0.0, 2))
        tools = IngestTools(provider, self.store, MemoryActionStore(), Market.TSE_PRIME, frozenset(), lambda: now)
        report = await InProcessExecutor(tools).run(self.plan)
        assert {o.outcome for o in report.outcomes} <= {Outcome.OK, Outcome.NO_TRADES}
        return provider

    async def newest(self, interval: Interval = Interval.M1) -> datetime:
        """Return when the newest bar of all opened."""
        found = (await self.store.latest(BarSeries("synthetic", interval)))["opened_at"].max()
        assert isinstance(found, datetime)
        return found


async def test_while_a_session_lasts_each_refresh_takes_its_bars_in_one_request() -> None:
    desk = Desk()
    for now in (at(10), at(10, 30), at(14)):
        provider = await desk.refresh(now)
        (asked,) = provider.requests
        assert (asked.symbols, asked.sessions) == (SYMBOLS, (NOV_4,))
        assert now - timedelta(minutes=5) < await desk.newest() < now
        assert desk.plan is not None
        assert not desk.plan.is_final
    assert (await desk.store.read_quarantine(SERIES)).is_empty()


@pytest.mark.parametrize("interval", ["1m", "5m", "1h"])
async def test_the_previous_session_is_newest_until_the_first_bar_is_complete(interval: str) -> None:
    desk = Desk()
    first = timedelta(seconds=Interval(interval).seconds) + get_provider_spec("synthetic").capabilities.delay
    await desk.refresh(at(9) + first - timedelta(seconds=1), interval)
    assert await desk.newest(Interval(interval)) < at(0)
    await desk.refresh(at(9) + first, interval)
    assert await desk.newest(Interval(interval)) == at(9)


async def test_a_bar_that_is_still_being_made_is_neither_kept_nor_refused() -> None:
    desk = Desk()
    await desk.refresh(at(10), ahead=timedelta(minutes=1))
    assert await desk.newest() == at(9, 58)
    assert (await desk.store.read_quarantine(SERIES)).is_empty()


async def test_when_it_is_over_only_what_is_not_final_is_asked_for() -> None:
    desk = Desk()
    await desk.refresh(at(15, 10))
    assert len((await desk.refresh(at(16))).requests) == 1
    again = await desk.refresh(at(16, 5))
    assert again.requests == []
    assert desk.plan is not None
    assert desk.plan.chunks == ()
    assert await desk.newest() == at(15, 30)


async def test_a_retry_takes_its_own_session_though_a_newer_one_is_over() -> None:
    (asked,) = (await Desk().refresh(at(16), session=OCT_31)).requests
    assert asked.sessions == (OCT_31,)


async def test_a_daily_bar_is_that_of_the_last_session_that_is_over() -> None:
    desk = Desk()
    await desk.refresh(at(10), "1d")
    assert await desk.newest(Interval.D1) == datetime(2025, 10, 31, tzinfo=UTC)
    await desk.refresh(at(16), "1d")
    assert await desk.newest(Interval.D1) == datetime(2025, 11, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("provider", "interval", "now", "expected"),
    [
        ("synthetic", "1m", at(9, 1, 59), OCT_31),
        ("synthetic", "1m", at(9, 2), NOV_4),
        ("yahoo", "1m", at(9, 20, 59), OCT_31),
        ("yahoo", "5m", at(9, 24, 59), OCT_31),
        ("yahoo", "5m", at(9, 25), NOV_4),
        ("yahoo", "1d", at(15, 49), OCT_31),
        ("yahoo", "1d", at(15, 51), NOV_4),
        ("jquants", "1m", at(15, 40), OCT_31),
        ("jquants", "1d", at(16, 31), NOV_4),
    ],
)
def test_the_newest_session_is_what_the_provider_can_have(
    provider: str, interval: str, now: datetime, expected: date
) -> None:
    assert newest_session(Interval(interval), get_provider_spec(provider).capabilities, now) == expected


@pytest.mark.parametrize(
    ("values", "pointer"),
    [({"interval": "7m"}, "/interval"), ({"provider": "x"}, "/provider"), ({"market": "X"}, "/market")],
)
def test_invalid_requests_are_rejected(values: dict[str, str], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        QuotesRequest.parse(values)
    assert caught.value.pointer == pointer


@pytest.mark.parametrize(
    ("interval", "now", "delay_min", "kept"),
    [
        # At 10:00 the bar of 9:59 is over, that of 10:00 begins, and one of 10:01 cannot be.
        (Interval.M1, at(10), 0, ["09:55", "09:59", "10:01"]),
        (Interval.M1, at(10), 1, ["09:55", "10:01"]),
        (Interval.M1, at(9, 59, 59), 0, ["09:55", "10:00", "10:01"]),
        (Interval.M5, at(10), 0, ["09:55", "10:01"]),
        (Interval.D1, at(10), 0, ["09:55", "09:59", "10:00", "10:01"]),
        (Interval.M1, closes_at(NOV_4), 0, ["09:55", "09:59", "10:00", "10:01"]),
    ],
)
def test_only_bars_that_have_begun_and_are_not_over_are_dropped(
    interval: Interval, now: datetime, delay_min: int, kept: list[str]
) -> None:
    rows = raw_frame(raw_bar("7203", at(hour, minute)) for hour, minute in ((9, 55), (9, 59), (10, 0), (10, 1)))
    part = IngestChunk(interval, ("7203",), (NOV_4,))
    found = drop_unfinished(rows, part, delay=timedelta(minutes=delay_min), now=now)
    assert found["opened_at"].dt.convert_time_zone("Asia/Tokyo").dt.strftime("%H:%M").to_list() == kept


def test_no_rows_are_no_rows() -> None:
    part = IngestChunk(Interval.M1, SYMBOLS, (NOV_4,))
    empty = raw_frame([])
    assert drop_unfinished(empty, part, delay=timedelta(), now=at(10)).is_empty()
    unknown = raw_frame([raw_bar("7203", None)])
    assert drop_unfinished(unknown, part, delay=timedelta(), now=at(10)).height == 1
