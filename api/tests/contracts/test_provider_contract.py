"""The promises of the port to sources of bars, kept by every provider."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from batch.errors import InvalidRequest
from batch.market.bar import RAW_BAR_SCHEMA
from batch.market.interval import Interval
from batch.market.outcome import Outcome
from batch.market.universe import Market
from batch.providers.base import BarProvider, BarRequest, FetchedBars
from batch.providers.file import FileProvider
from batch.providers.registry import get_provider_spec, provider_names
from batch.providers.synthetic import SyntheticProvider

SESSIONS = (date(2024, 11, 1), date(2024, 11, 5))
SYMBOLS = ("7203", "6758", "1301")


@dataclass(frozen=True)
class Case:
    """A provider that has 1d bars of SYMBOLS on SESSIONS; `unknown` is a symbol without any."""

    provider: BarProvider
    unknown: str


def _synthetic(_directory: Path) -> Case:
    # 1439 was in the snapshot of 2024-03-29 and is known to be gone by 2026-10-05.
    return Case(SyntheticProvider(seed=1, clock=lambda: datetime(2026, 11, 1, tzinfo=UTC)), "1439")


def _file(directory: Path) -> Case:
    lines = ["Ticker,Date,Open,High,Low,Close,Volume"]
    lines += [f"{s}.T,{day},10,12,9,11,100" for s in (*SYMBOLS, "9984") for day in SESSIONS]
    (directory / "bars.csv").write_text("\n".join(lines) + "\n")
    return Case(FileProvider(directory), "NOPE")


CASES: dict[str, Callable[[Path], Case]] = {"synthetic": _synthetic, "file": _file}


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return CASES[request.param](tmp_path)


def fetch(case: Case, symbols: tuple[str, ...], sessions: tuple[date, ...] = SESSIONS) -> FetchedBars:
    return asyncio.run(case.provider.fetch_bars(BarRequest(symbols, Interval.D1, sessions)))


def test_every_provider_is_under_contract() -> None:
    assert set(CASES) == set(provider_names())


class TestProviderContract:
    def test_name_and_capabilities_are_the_registry_s(self, case: Case) -> None:
        spec = get_provider_spec(case.provider.name)
        assert case.provider.capabilities == spec.capabilities
        assert case.provider.capabilities.symbols_per_fetch >= 1

    def test_rows_have_the_raw_schema_with_utc_stamps(self, case: Case) -> None:
        bars = fetch(case, SYMBOLS).bars
        assert bars.height == len(SYMBOLS) * len(SESSIONS)
        assert dict(bars.schema) == dict(RAW_BAR_SCHEMA)

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
        sessions = (date(2026, 10, 29), date(2026, 10, 30))
        fetched = fetch(case, (SYMBOLS[0], case.unknown), sessions)
        assert fetched.outcomes[case.unknown].outcome is Outcome.NOT_LISTED
        assert case.unknown not in fetched.bars["symbol"]

    def test_closed_day_has_no_trades(self, case: Case) -> None:
        fetched = fetch(case, SYMBOLS, (date(2024, 11, 4),))
        assert fetched.bars.is_empty()
        assert {s: o.outcome for s, o in fetched.outcomes.items()} == dict.fromkeys(SYMBOLS, Outcome.NO_TRADES)

    @pytest.mark.parametrize(("symbols", "sessions"), [((), SESSIONS), (SYMBOLS, ()), ((), ())])
    def test_empty_request_has_an_empty_answer(
        self, case: Case, symbols: tuple[str, ...], sessions: tuple[date, ...]
    ) -> None:
        fetched = fetch(case, symbols, sessions)
        assert fetched.bars.is_empty()
        assert dict(fetched.bars.schema) == dict(RAW_BAR_SCHEMA)
        assert set(fetched.outcomes) == set(symbols)

    def test_tse_universe_is_kabooms_own(self, case: Case) -> None:
        assert asyncio.run(case.provider.fetch_universe(Market.TSE_PRIME, SESSIONS[1])) is None

    def test_close_may_be_called_twice(self, case: Case) -> None:
        asyncio.run(case.provider.close())
        asyncio.run(case.provider.close())


def test_unknown_provider_is_refused_with_the_names() -> None:
    with pytest.raises(InvalidRequest, match="supported are synthetic, file") as caught:
        get_provider_spec("bloomberg")
    assert caught.value.pointer == "/provider"
