"""Indices from J-Quants: asked as its documents say, and stored apart from issues."""

import asyncio
from collections.abc import Iterator
from datetime import date

import pytest

from kaboom.errors import ProviderError
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.jquants.get import JquantsSource
from kaboom.providers.jquants.provider import JquantsProvider
from kaboom.providers.limiter.rate_limiter import NoRateLimit
from tests.fixtures.providers.fake_jquants import API_KEY, FakeJquants, jquants_server

FRIDAY, MONDAY = date(2026, 11, 13), date(2026, 11, 16)
SATURDAY = date(2026, 11, 14)
PATH = "/indices/bars/daily"


@pytest.fixture
def fake() -> Iterator[FakeJquants]:
    with jquants_server() as fake:
        yield fake


def fetch(fake: FakeJquants, *symbols: str, sessions: tuple[date, ...]) -> FetchedBars:
    async def ask() -> FetchedBars:
        provider = JquantsProvider(JquantsSource.connect(fake.url, API_KEY, NoRateLimit()))
        try:
            return await provider.fetch_bars(BarRequest(symbols, Interval.D1, sessions))
        finally:
            await provider.close()

    return asyncio.run(ask())


def test_all_indices_of_a_day_are_one_request(fake: FakeJquants) -> None:
    fake.page_rows = 2
    found = fetch(fake, "^0000", "^8200", "^0040", sessions=(MONDAY,))
    assert fake.asked(PATH) == [{"date": "2026-11-16"}, {"date": "2026-11-16", "pagination_key": "page-1"}]
    rows = found.bars.select("symbol", "open", "high", "low", "close", "volume").rows()
    assert rows[0] == ("^0000", 2016.0, 2025.25, 2007.5, 2017.75, 0.0)
    assert [row[0] for row in rows] == ["^0000", "^8200"]
    assert str(found.bars["opened_at"][0]) == "2026-11-16 00:00:00+00:00"
    assert {symbol: outcome.outcome for symbol, outcome in found.outcomes.items()} == {"^0040": Outcome.NOT_LISTED}


def test_many_days_of_an_index_are_one_request(fake: FakeJquants) -> None:
    found = fetch(fake, "^0028", sessions=(FRIDAY, SATURDAY, MONDAY))
    assert fake.asked(PATH) == [{"code": "0028", "from": "2026-11-13", "to": "2026-11-16"}]
    assert (found.bars.height, found.outcomes) == (2, {})


def test_nikkei_225_is_not_asked_for(fake: FakeJquants) -> None:
    found = fetch(fake, "^N225", sessions=(MONDAY,))
    assert fake.asked(PATH) == []
    outcome = found.outcomes["^N225"]
    assert (found.bars.height, outcome.outcome) == (0, Outcome.NOT_LISTED)
    assert "no Nikkei 225" in (outcome.message or "")


def test_a_day_that_is_not_published_is_asked_for_again(fake: FakeJquants) -> None:
    fake.spoil = lambda _rows: []
    with pytest.raises(ProviderError, match="2026-11-16 had 0 rows") as caught:
        fetch(fake, "^0000", sessions=(MONDAY,))
    assert caught.value.retryable


def test_rows_of_another_index_are_refused(fake: FakeJquants) -> None:
    fake.spoil = lambda rows: [row | {"Code": "0029"} for row in rows]
    found = fetch(fake, "^0028", sessions=(FRIDAY, MONDAY))
    assert found.outcomes["^0028"].outcome is Outcome.PROVIDER_ERROR
    assert "asked for 0028, rows were of '0029'" in (found.outcomes["^0028"].message or "")


def test_a_row_without_its_close_is_refused(fake: FakeJquants) -> None:
    fake.spoil = lambda rows: [{name: value for name, value in row.items() if name != "C"} for row in rows]
    with pytest.raises(ProviderError, match=r"daily bars of indices lacked \['C'\]"):
        fetch(fake, "^0000", sessions=(MONDAY,))


def test_the_universe_of_indices_has_no_issue_and_takes_no_request(fake: FakeJquants) -> None:
    async def ask() -> tuple[str, ...] | None:
        provider = JquantsProvider(JquantsSource.connect(fake.url, API_KEY, NoRateLimit()))
        try:
            return await provider.fetch_universe(Market.INDEX, MONDAY)
        finally:
            await provider.close()

    found = asyncio.run(ask()) or ()
    assert {"^0000", "^0060", "^8200"} <= set(found)
    assert all(symbol.startswith("^") for symbol in found)
    assert "^N225" not in found
    assert fake.requests == []
