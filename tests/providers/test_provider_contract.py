"""The promises of the port to sources of bars, kept by every provider."""

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from kaboom.errors import InvalidRequest
from kaboom.market.bar import PLACE_SCHEMA, RAW_BAR_SCHEMA
from kaboom.market.calendar import grid
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarProvider, BarRequest, FetchedBars
from kaboom.providers.file.provider import FileProvider
from kaboom.providers.jquants.bulk import JquantsBulk
from kaboom.providers.jquants.file_cache import JquantsShelf
from kaboom.providers.jquants.get import JquantsSource
from kaboom.providers.jquants.provider import JquantsProvider
from kaboom.providers.limiter.rate_limiter import NoRateLimit
from kaboom.providers.registry import get_provider_spec, provider_names
from kaboom.providers.synthetic.provider import SyntheticProvider
from tests.fixtures.providers.fake_jquants import API_KEY, jquants_server
from tests.fixtures.providers.fake_market import FakeMarket, small_market
from tests.fixtures.providers.outcomes import outcomes_of, say_outcomes
from tests.fixtures.providers.remote_providers import REMOTES

SESSIONS = (date(2024, 11, 1), date(2024, 11, 5))
#: When none of them knows a case's unknown symbol.
UNKNOWN_ON = (date(2026, 10, 29), date(2026, 10, 30))
SYMBOLS = ("7203", "6758", "1301")
VALUES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Case:
    """A provider that has 1d bars of SYMBOLS on SESSIONS; `unknown` is a symbol without any.

    Attributes:
        has_minutes: whether it has their 1m bars, too.
        universe: what it has to say of TSE Prime.
        has_files: whether it takes bars from bulk files, by which its capabilities are more than the registry says.
        on_closed_day: the outcome of its symbols on a day on which the exchange is closed.
        values: what its source says of the first bar of SYMBOLS[0] on SESSIONS[1], by interval: open, high, low, close
            and volume, all different, so that no two can be mistaken for each other.

    """

    provider: BarProvider
    unknown: str
    has_minutes: bool = True
    universe: tuple[str, ...] | None = None
    has_files: bool = False
    on_closed_day: Outcome = Outcome.NO_TRADES
    values: Mapping[Interval, tuple[float, ...]] = field(default_factory=dict)


@contextmanager
def _synthetic(_directory: Path) -> Iterator[Case]:
    # 1439 was in the snapshot of 2024-03-29 and is known to be gone by 2026-10-05.
    provider = SyntheticProvider(seed=1, clock=lambda: datetime(2026, 11, 1, tzinfo=UTC))
    # It is its own source; the seed decides what it says.
    yield Case(provider, "1439", values={Interval.D1: (1168.0, 1170.0, 1155.0, 1157.0, 15_756_800.0)})


@contextmanager
def _file(directory: Path) -> Iterator[Case]:
    lines = ["Ticker,Date,Open,High,Low,Close,Volume"]
    lines += [f"{s}.T,{day},10,12,9,11,100" for s in (*SYMBOLS, "9984") for day in SESSIONS]
    (directory / "bars.csv").write_text("\n".join(lines) + "\n")
    values = {Interval.D1: (10.0, 12.0, 9.0, 11.0, 100.0)}
    yield Case(FileProvider(directory), "NOPE", has_minutes=False, on_closed_day=Outcome.NOT_LISTED, values=values)


def _values_of(market: FakeMarket, *intervals: Interval) -> dict[Interval, tuple[float, ...]]:
    firsts = {interval: market.bars(SYMBOLS[0], SESSIONS[1], interval)[0] for interval in intervals}
    return {interval: tuple(float(bar[name]) for name in VALUES) for interval, bar in firsts.items()}


def _schema_of(case: Case) -> dict[str, pl.DataType]:
    """Return the columns of a provider's rows: a provider of files says where each stands."""
    return {**RAW_BAR_SCHEMA, **(PLACE_SCHEMA if case.provider.name == "file" else {})}


def _remote(name: str) -> Callable[[Path], AbstractContextManager[Case]]:
    @contextmanager
    def run(_directory: Path) -> Iterator[Case]:
        with REMOTES[name]() as remote:
            remote.fake.market = replace(small_market("7203", "6758"), rise=2.0)
            # Every answer has to be read to its end.
            remote.use_small_pages()
            has_minutes = remote.shortest is Interval.M1
            values = _values_of(remote.fake.market, *({Interval.D1, remote.shortest}))
            yield Case(remote.build(), "1439", universe=remote.universe, has_minutes=has_minutes, values=values)

    return run


@contextmanager
def _jquants_bulk(directory: Path) -> Iterator[Case]:
    with jquants_server() as fake:
        fake.market = replace(small_market("7203", "6758"), rise=2.0)
        fake.files.first = date(2024, 10, 31)
        fake.files.until = date(2026, 10, 30)
        fake.files.is_made = lambda day: day in {*SESSIONS, *UNKNOWN_ON}
        source = JquantsSource.connect(fake.url, API_KEY, NoRateLimit())
        # All from files, whether they save anything or not, and nothing in their place.
        bulk = JquantsBulk(source, JquantsShelf(source, NoRateLimit(), directory), least_saved=-100, most_instead=0)
        provider, values = JquantsProvider(source, bulk=bulk), _values_of(fake.market, Interval.D1, Interval.M1)
        yield Case(provider, "1439", universe=("6758", "7203"), has_files=True, values=values)


CASES: dict[str, Callable[[Path], AbstractContextManager[Case]]] = {
    "synthetic": _synthetic,
    "file": _file,
    "jquants with bulk files": _jquants_bulk,
    **{name: _remote(name) for name in REMOTES},
}


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with CASES[request.param](tmp_path) as case:
        yield case


def fetch(
    case: Case,
    symbols: tuple[str, ...],
    sessions: tuple[date, ...] = SESSIONS,
    interval: Interval = Interval.D1,
) -> FetchedBars:
    async def once() -> FetchedBars:
        try:
            return await case.provider.fetch_bars(BarRequest(symbols, interval, sessions))
        finally:
            # Connections live on the loop, which ends here.
            await case.provider.close()

    return asyncio.run(once())


def bars_of(
    case: Case,
    symbols: tuple[str, ...] = SYMBOLS,
    sessions: tuple[date, ...] = SESSIONS,
    interval: Interval = Interval.D1,
) -> pl.DataFrame:
    """Return the rows of symbols that all have some."""
    fetched = fetch(case, symbols, sessions, interval)
    assert not fetched.outcomes or not (case.has_minutes or interval is Interval.D1), say_outcomes(fetched)
    return fetched.bars


def expect_interval(case: Case, interval: Interval) -> None:
    if interval not in case.provider.capabilities.intervals:
        pytest.skip(f"{case.provider.name} has no bars of {interval}")


def test_every_provider_is_under_contract() -> None:
    assert {name.split()[0] for name in CASES} == set(provider_names()), "add an entry to REMOTES or to CASES"


class TestProviderContract:
    def test_name_and_capabilities_are_the_registry_s(self, case: Case) -> None:
        spec = get_provider_spec(case.provider.name)
        files = ("bulk_by_session", "bulk_by_month", "bulk_least_symbols") if case.has_files else ()
        more = {name: getattr(case.provider.capabilities, name) for name in files}
        assert case.provider.capabilities == replace(spec.capabilities, **more)
        assert case.provider.capabilities.symbols_per_fetch >= 1

    def test_rows_have_the_raw_schema_with_utc_stamps(self, case: Case) -> None:
        bars = bars_of(case)
        assert bars.height == len(SYMBOLS) * len(SESSIONS)
        assert dict(bars.schema) == _schema_of(case)

    def test_daily_bars_are_stamped_midnight_utc_of_the_session(self, case: Case) -> None:
        stamps = bars_of(case)["opened_at"].unique().sort().to_list()
        assert stamps == [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in SESSIONS]

    def test_only_what_was_asked_for_comes(self, case: Case) -> None:
        bars = bars_of(case, SYMBOLS[:1], SESSIONS[1:])
        assert bars["symbol"].to_list() == [SYMBOLS[0]]
        assert bars["opened_at"].dt.date().to_list() == [SESSIONS[1]]

    def test_each_field_has_the_value_of_the_source(self, case: Case) -> None:
        assert Interval.D1 in case.values, "say in the case which bar its source has"
        for interval, values in case.values.items():
            assert len(set(values)) == len(VALUES)
            bars = bars_of(case, SYMBOLS[:1], SESSIONS[1:], interval).sort("opened_at")
            found = dict(zip(VALUES, bars.select(VALUES).row(0), strict=True))
            where = f"look at how {inspect.getsourcefile(type(case.provider))} reads each field"
            assert found == dict(zip(VALUES, values, strict=True)), where

    def test_no_bar_comes_twice(self, case: Case) -> None:
        bars = bars_of(case, (*SYMBOLS, SYMBOLS[0]))
        assert not bars.select(pl.struct("symbol", "opened_at").is_duplicated().any()).item()

    def test_same_request_same_answer(self, case: Case) -> None:
        assert bars_of(case).equals(bars_of(case))

    def test_symbol_without_rows_has_an_outcome(self, case: Case) -> None:
        fetched = fetch(case, (SYMBOLS[0], case.unknown), UNKNOWN_ON)
        assert outcomes_of(fetched).get(case.unknown) is Outcome.NOT_LISTED, say_outcomes(fetched)
        assert case.unknown not in fetched.bars["symbol"]

    def test_closed_day_has_no_trades(self, case: Case) -> None:
        fetched = fetch(case, SYMBOLS, (date(2024, 11, 4),))
        assert fetched.bars.is_empty()
        assert outcomes_of(fetched) == dict.fromkeys(SYMBOLS, case.on_closed_day), say_outcomes(fetched)

    @pytest.mark.parametrize(("symbols", "sessions"), [((), SESSIONS), (SYMBOLS, ()), ((), ())])
    def test_empty_request_has_an_empty_answer(
        self, case: Case, symbols: tuple[str, ...], sessions: tuple[date, ...]
    ) -> None:
        fetched = fetch(case, symbols, sessions)
        assert fetched.bars.is_empty()
        assert dict(fetched.bars.schema) == _schema_of(case)
        assert set(fetched.outcomes) == set(symbols), say_outcomes(fetched)

    @pytest.mark.parametrize("interval", [i for i in Interval if i.is_intraday])
    def test_intraday_bars_stand_on_the_grid_of_what_was_asked(self, case: Case, interval: Interval) -> None:
        expect_interval(case, interval)
        bars = bars_of(case, SYMBOLS, SESSIONS[1:], interval)
        assert bars.height > 0 or not case.has_minutes
        assert set(bars["opened_at"].dt.epoch("s")) <= set(grid(SESSIONS[1], interval))

    @pytest.mark.parametrize("interval", [i for i in Interval if i.is_intraday])
    def test_longer_bars_are_the_sums_of_the_minutes(self, case: Case, interval: Interval) -> None:
        expect_interval(case, interval)
        minutes = bars_of(case, interval=Interval.M1).sort("symbol", "opened_at")
        slots = minutes.group_by("symbol", pl.col("opened_at").dt.truncate(interval.value), maintain_order=True)
        values = {"open": pl.col("open").first(), "high": pl.col("high").max(), "low": pl.col("low").min()}
        summed = slots.agg(**values, close=pl.col("close").last(), volume=pl.col("volume").sum())
        bars = bars_of(case, interval=interval).select(summed.columns)
        assert bars.sort("symbol", "opened_at").equals(summed)

    def test_tse_universe_is_its_own_or_kabooms(self, case: Case) -> None:
        async def ask() -> tuple[str, ...] | None:
            try:
                return await case.provider.fetch_universe(Market.TSE_PRIME, SESSIONS[1])
            finally:
                await case.provider.close()

        assert asyncio.run(ask()) == case.universe

    def test_sessions_are_those_that_there_were(self, case: Case) -> None:
        async def ask() -> tuple[date, ...] | None:
            try:
                return await case.provider.fetch_sessions(Interval.D1, 2, SESSIONS[1])
            finally:
                await case.provider.close()

        assert asyncio.run(ask()) in {None, SESSIONS}

    def test_a_provider_closed_twice_opens_again(self, case: Case) -> None:
        async def close_twice() -> None:
            await case.provider.close()
            await case.provider.close()

        asyncio.run(close_twice())
        assert fetch(case, SYMBOLS).bars.height == len(SYMBOLS) * len(SESSIONS)
        asyncio.run(close_twice())
        assert fetch(case, SYMBOLS).bars.height == len(SYMBOLS) * len(SESSIONS)


def test_unknown_provider_is_refused_with_the_names() -> None:
    with pytest.raises(InvalidRequest, match=rf"supported are {', '.join(provider_names())}$") as caught:
        get_provider_spec("bloomberg")
    assert caught.value.pointer == "/provider"
