"""The promises of the port to sources of bars, kept by every provider."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from batch.errors import InvalidRequest
from batch.market.bar import PLACE_SCHEMA, RAW_BAR_SCHEMA
from batch.market.calendar import grid
from batch.market.interval import Interval
from batch.market.lists.universe import Market
from batch.market.outcome import Outcome
from batch.providers.base import BarProvider, BarRequest, FetchedBars
from batch.providers.file.provider import FileProvider
from batch.providers.jquants.bulk import JquantsBulk
from batch.providers.jquants.get import JquantsSource
from batch.providers.jquants.provider import JquantsProvider
from batch.providers.jquants.shelf import JquantsShelf
from batch.providers.limiter.rate_limiter import NoRateLimit
from batch.providers.registry import get_provider_spec, provider_names
from batch.providers.synthetic.provider import SyntheticProvider
from tests.fixtures.providers.fake_jquants import API_KEY, jquants_server
from tests.fixtures.providers.fake_market import small_market
from tests.fixtures.providers.remote_providers import REMOTES

SESSIONS = (date(2024, 11, 1), date(2024, 11, 5))
#: When none of them knows a case's unknown symbol.
UNKNOWN_ON = (date(2026, 10, 29), date(2026, 10, 30))
SYMBOLS = ("7203", "6758", "1301")


@dataclass(frozen=True)
class Case:
    """A provider that has 1d bars of SYMBOLS on SESSIONS; `unknown` is a symbol without any.

    Attributes:
        has_minutes: whether it has their 1m bars, too.
        universe: what it has to say of TSE Prime.
        has_files: whether it takes bars from bulk files, by which its capabilities are more than the registry says.
        on_closed_day: the outcome of its symbols on a day on which the exchange is closed.

    """

    provider: BarProvider
    unknown: str
    has_minutes: bool = True
    universe: tuple[str, ...] | None = None
    has_files: bool = False
    on_closed_day: Outcome = Outcome.NO_TRADES


@contextmanager
def _synthetic(_directory: Path) -> Iterator[Case]:
    # 1439 was in the snapshot of 2024-03-29 and is known to be gone by 2026-10-05.
    yield Case(SyntheticProvider(seed=1, clock=lambda: datetime(2026, 11, 1, tzinfo=UTC)), "1439")


@contextmanager
def _file(directory: Path) -> Iterator[Case]:
    lines = ["Ticker,Date,Open,High,Low,Close,Volume"]
    lines += [f"{s}.T,{day},10,12,9,11,100" for s in (*SYMBOLS, "9984") for day in SESSIONS]
    (directory / "bars.csv").write_text("\n".join(lines) + "\n")
    yield Case(FileProvider(directory), "NOPE", has_minutes=False, on_closed_day=Outcome.NOT_LISTED)


def _schema_of(case: Case) -> dict[str, pl.DataType]:
    """Return the columns of a provider's rows: a provider of files says where each stands."""
    return {**RAW_BAR_SCHEMA, **(PLACE_SCHEMA if case.provider.name == "file" else {})}


def _remote(name: str) -> Callable[[Path], AbstractContextManager[Case]]:
    @contextmanager
    def run(_directory: Path) -> Iterator[Case]:
        with REMOTES[name]() as remote:
            remote.fake.market = small_market("7203", "6758")
            # Every answer has to be read to its end.
            remote.use_small_pages()
            has_minutes = remote.shortest is Interval.M1
            yield Case(remote.build(), "1439", universe=remote.universe, has_minutes=has_minutes)

    return run


@contextmanager
def _jquants_bulk(directory: Path) -> Iterator[Case]:
    with jquants_server() as fake:
        fake.market = small_market("7203", "6758")
        fake.files.first = date(2024, 10, 31)
        fake.files.until = date(2026, 10, 30)
        fake.files.is_made = lambda day: day in {*SESSIONS, *UNKNOWN_ON}
        source = JquantsSource.connect(fake.url, API_KEY, NoRateLimit())
        # All from files, whether they save anything or not, and nothing in their place.
        bulk = JquantsBulk(source, JquantsShelf(source, NoRateLimit(), directory), least_saved=-100, most_instead=0)
        yield Case(JquantsProvider(source, bulk=bulk), "1439", universe=("6758", "7203"), has_files=True)


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
        bars = fetch(case, SYMBOLS).bars
        assert bars.height == len(SYMBOLS) * len(SESSIONS)
        assert dict(bars.schema) == _schema_of(case)

    def test_daily_bars_are_stamped_midnight_utc_of_the_session(self, case: Case) -> None:
        stamps = fetch(case, SYMBOLS).bars["opened_at"].unique().sort().to_list()
        assert stamps == [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in SESSIONS]

    def test_only_what_was_asked_for_comes(self, case: Case) -> None:
        fetched = fetch(case, SYMBOLS[:1], SESSIONS[1:])
        assert fetched.bars["symbol"].to_list() == [SYMBOLS[0]]
        assert fetched.bars["opened_at"].dt.date().to_list() == [SESSIONS[1]]
        assert not fetched.outcomes

    def test_no_bar_comes_twice(self, case: Case) -> None:
        bars = fetch(case, (*SYMBOLS, SYMBOLS[0])).bars
        assert not bars.select(pl.struct("symbol", "opened_at").is_duplicated().any()).item()

    def test_same_request_same_answer(self, case: Case) -> None:
        assert fetch(case, SYMBOLS).bars.equals(fetch(case, SYMBOLS).bars)

    def test_symbol_without_rows_has_an_outcome(self, case: Case) -> None:
        fetched = fetch(case, (SYMBOLS[0], case.unknown), UNKNOWN_ON)
        assert fetched.outcomes[case.unknown].outcome is Outcome.NOT_LISTED
        assert case.unknown not in fetched.bars["symbol"]

    def test_closed_day_has_no_trades(self, case: Case) -> None:
        fetched = fetch(case, SYMBOLS, (date(2024, 11, 4),))
        assert fetched.bars.is_empty()
        assert {s: o.outcome for s, o in fetched.outcomes.items()} == dict.fromkeys(SYMBOLS, case.on_closed_day)

    @pytest.mark.parametrize(("symbols", "sessions"), [((), SESSIONS), (SYMBOLS, ()), ((), ())])
    def test_empty_request_has_an_empty_answer(
        self, case: Case, symbols: tuple[str, ...], sessions: tuple[date, ...]
    ) -> None:
        fetched = fetch(case, symbols, sessions)
        assert fetched.bars.is_empty()
        assert dict(fetched.bars.schema) == _schema_of(case)
        assert set(fetched.outcomes) == set(symbols)

    @pytest.mark.parametrize("interval", [i for i in Interval if i.is_intraday])
    def test_intraday_bars_stand_on_the_grid_of_what_was_asked(self, case: Case, interval: Interval) -> None:
        expect_interval(case, interval)
        bars = fetch(case, SYMBOLS, SESSIONS[1:], interval).bars
        assert bars.height > 0 or not case.has_minutes
        assert set(bars["opened_at"].dt.epoch("s")) <= set(grid(SESSIONS[1], interval))

    @pytest.mark.parametrize("interval", [i for i in Interval if i.is_intraday])
    def test_longer_bars_are_the_sums_of_the_minutes(self, case: Case, interval: Interval) -> None:
        expect_interval(case, interval)
        minutes = fetch(case, SYMBOLS, SESSIONS, Interval.M1).bars.sort("symbol", "opened_at")
        slots = minutes.group_by("symbol", pl.col("opened_at").dt.truncate(interval.value), maintain_order=True)
        values = {"open": pl.col("open").first(), "high": pl.col("high").max(), "low": pl.col("low").min()}
        summed = slots.agg(**values, close=pl.col("close").last(), volume=pl.col("volume").sum())
        bars = fetch(case, SYMBOLS, SESSIONS, interval).bars.select(summed.columns)
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
