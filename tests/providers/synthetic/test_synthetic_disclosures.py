"""The made-up statements follow their rules: the same each time, on sessions, days and companies alike."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from kaboom.market.calendar import JST, closes_at, is_session
from kaboom.market.disclosure import CompanyEvent, CompanyEventKind, Disclosures, Statement
from kaboom.providers.base import DisclosureKind
from kaboom.providers.synthetic.disclosures import make_company, make_day
from kaboom.providers.synthetic.provider import SyntheticProvider

pytestmark = pytest.mark.anyio
NOW, ALL = datetime(2025, 12, 1, tzinfo=UTC), tuple(DisclosureKind)


def make_provider(now: datetime = NOW, seed: int = 7) -> SyntheticProvider:
    return SyntheticProvider(seed=seed, clock=lambda: now)


def documents(found: Disclosures) -> list[Statement | CompanyEvent]:
    return [*found.statements, *found.events]


def keys(found: Disclosures) -> set[tuple[str, str]]:
    return {(each.symbol, each.document) for each in documents(found)}


async def test_days_and_companies_have_the_same_documents() -> None:
    provider, symbols = make_provider(), ("7203", "6758", "1301")
    first = date(2025, 4, 1)
    by_day = [await provider.fetch_day(first + timedelta(days=n), ALL) for n in range(60)]
    of_days = {key for found in by_day for key in keys(found) if key[0] in symbols}
    companies = [await provider.fetch_company(symbol, ALL) for symbol in symbols]
    span = datetime(2025, 4, 1, tzinfo=JST), datetime(2025, 5, 31, tzinfo=JST)
    of_companies = {
        (each.symbol, each.document)
        for found in companies
        for each in documents(found)
        # What is known at 24:00 is of the day that ends then.
        if span[0] < each.disclosed_at <= span[1]
    }
    assert of_days == of_companies
    assert len(of_days) > 5


def test_the_days_of_a_year_have_what_their_companies_disclosed() -> None:
    symbols = ("7203", "6758", "1301")
    by_day = [make_day(7, symbols, date(2024, 12, 1) + timedelta(days=n), NOW) for n in range(365)]
    span = datetime(2024, 12, 1, tzinfo=JST), datetime(2025, 12, 1, tzinfo=JST)
    of_companies = {
        (each.symbol, each.document)
        for symbol in symbols
        for each in documents(make_company(7, symbol, NOW))
        if span[0] < each.disclosed_at <= span[1]
    }
    assert {key for found in by_day for key in keys(found)} == of_companies
    assert len(of_companies) > 20


async def test_a_company_discloses_four_times_a_year_on_sessions() -> None:
    found = await make_provider().fetch_company("7203", ALL)
    years = Counter(each.year_end for each in found.statements if each.kind == "statement")
    assert years[date(2024, 3, 31)] == years[date(2025, 3, 31)] == 4
    assert all(is_session(each.disclosed_at.astimezone(JST).date()) for each in found.statements)
    assert all(each.disclosed_at <= NOW for each in found.statements)
    announced = {each.period: each for each in found.events if each.kind is CompanyEventKind.ANNOUNCEMENT}
    # The third quarter's is not announced yet on 1 December.
    assert announced.keys() == {"1Q", "2Q", "3Q", "FY"}
    for statement in found.statements:
        if statement.kind == "statement":
            day = statement.disclosed_at.astimezone(JST).date()
            (notice,) = [
                each for each in found.events if each.document.endswith(statement.document) and each.day == day
            ]
            assert notice.disclosed_at < statement.disclosed_at - timedelta(days=25)


async def test_figures_agree_with_each_other() -> None:
    for symbol in ("7203", "1301", "285A"):
        for each in (await make_provider().fetch_company(symbol, ALL)).statements:
            assert each.eps is not None
            assert each.shares is not None
            assert each.net_profit == pytest.approx(each.eps * each.shares, abs=1)
            assert each.forecast_eps is not None
            assert each.eps > 0


async def test_the_forecast_of_a_year_misses_it_by_ten_per_cent_at_most() -> None:
    found = (await make_provider().fetch_company("7203", ALL)).statements
    profits = {each.year_end: each.eps for each in found if each.period == "FY"}
    forecasts = [(each.forecast_eps, profits.get(each.forecast_year_end)) for each in found]
    known = [(forecast, profit) for forecast, profit in forecasts if forecast and profit]
    assert len(known) > 20
    assert all(abs(forecast / profit - 1) <= 0.101 for forecast, profit in known)


async def test_some_come_in_the_session_some_at_its_close_and_some_later() -> None:
    provider, early, at, late = make_provider(), 0, 0, 0
    for day in range(7, 15):
        for each in (await provider.fetch_day(date(2025, 11, day), [DisclosureKind.STATEMENTS])).statements:
            close = closes_at(date(2025, 11, day))
            early += each.disclosed_at < close
            at += each.disclosed_at == close
            late += each.disclosed_at > close
    assert min(early, at, late) > 50


async def test_nothing_is_told_before_its_moment() -> None:
    found = (await make_provider().fetch_company("7203", ALL)).statements
    newest = max(found, key=lambda each: each.disclosed_at)
    just_before = make_provider(newest.disclosed_at - timedelta(microseconds=1))
    assert newest.document not in {each.document for each in (await just_before.fetch_company("7203", ALL)).statements}
    day = newest.disclosed_at.astimezone(JST).date()
    assert newest.symbol not in {each.symbol for each in (await just_before.fetch_day(day, ALL)).statements}
    at = make_provider(newest.disclosed_at)
    assert newest in (await at.fetch_day(day, ALL)).statements


async def test_a_symbol_that_is_not_listed_and_a_kind_that_is_not_wanted_have_nothing() -> None:
    provider = make_provider()
    assert keys(await provider.fetch_company("9998", ALL)) == set()
    found = await provider.fetch_company("7203", [DisclosureKind.DIVIDENDS])
    assert not found.statements
    assert {each.kind for each in found.events} == {CompanyEventKind.DIVIDEND}
    assert not (await provider.fetch_day(date(2025, 11, 10), [DisclosureKind.STATEMENTS])).events


async def test_another_seed_gives_other_figures() -> None:
    one, other = [await make_provider(seed=seed).fetch_company("7203", ALL) for seed in (1, 2)]
    assert one != other
    assert one == await make_provider(seed=1).fetch_company("7203", ALL)
