"""J-Quants' statements, announcements and dividends, from a fake with the fields that its documents name."""

from collections.abc import AsyncIterator, Iterator
from datetime import date
from typing import Any

import pytest

from kaboom.errors import ProviderError
from kaboom.market.disclosure import CompanyEventKind
from kaboom.providers.base import DisclosureKind
from kaboom.providers.jquants.get import JquantsSource
from kaboom.providers.jquants.provider import JquantsProvider
from kaboom.providers.limiter.rate_limiter import NoRateLimit
from tests.fixtures.disclosures.made import jst
from tests.fixtures.providers.fake_jquants import API_KEY, FakeJquants, jquants_server
from tests.fixtures.providers.provider_faults import say_status

pytestmark = pytest.mark.anyio
SUMMARY, DIVIDEND, DATES = "/fins/summary", "/fins/dividend", "/fins/earnings-date"
DAY, ALL = date(2025, 5, 8), tuple(DisclosureKind)
#: A row of the full year, with figures as text, as the service writes them, and what is blank under IFRS.
FULL_YEAR = {
    "DiscDate": "2025-05-08", "DiscTime": "13:55:00", "Code": "72030", "DiscNo": "20250507500001",
    "DocType": "FYFinancialStatements_Consolidated_IFRS", "CurPerType": "FY", "CurPerSt": "2024-04-01",
    "CurPerEn": "2025-03-31", "CurFYSt": "2024-04-01", "CurFYEn": "2025-03-31", "NxtFYSt": "2025-04-01",
    "NxtFYEn": "2026-03-31", "Sales": "48036704000000", "OP": "4795586000000", "OdP": "", "NP": "4765086000000",
    "EPS": "359.56", "DEPS": "", "TA": "93601350000000", "Eq": "36878913000000", "EqAR": "0.384", "BPS": "2753.09",
    "DivAnn": "90", "FDivAnn": "", "NxFDivAnn": "95", "FSales": "", "FOP": "", "FNP": "", "FEPS": "",
    "NxFSales": "48500000000000", "NxFOP": "3800000000000", "NxFNp": "3100000000000", "NxFEPS": "237.56",
    "ShOutFY": "15794987460", "TrShFY": "2746745480", "AvgSh": "13252593000",
}  # fmt: skip
QUARTER = FULL_YEAR | {
    "DiscNo": "20250807500002", "DocType": "1QFinancialStatements_Consolidated_IFRS", "CurPerType": "1Q",
    "CurPerEn": "2025-06-30", "CurFYEn": "2026-03-31", "NxtFYEn": "", "Sales": 12253300000000, "DivAnn": "-",
    "FDivAnn": "95", "FSales": "48500000000000", "FOP": "3200000000000", "FNP": "2660000000000", "FEPS": "204.13",
    "NxFEPS": "", "NxFDivAnn": "", "NxFSales": "", "NxFOP": "", "NxFNp": "", "BPS": None, "EPS": "64.5",
}  # fmt: skip
PAID = {
    "PubDate": "2025-05-08", "PubTime": "14:00", "Code": "72030", "RefNo": "201", "StatCode": "1", "IFCode": "2",
    "FRCode": "2", "IFTerm": "2026-03", "DivRate": 50.0, "ExDate": "2026-03-30", "CARefNo": "201",
}  # fmt: skip
PLANNED = {"PubDate": "2025-07-01", "SchDate": "2025-08-07", "Code": "72030", "FQ": "1Q"}


@pytest.fixture
def fake() -> Iterator[FakeJquants]:
    with jquants_server() as fake:
        fake.disclosed = {SUMMARY: [FULL_YEAR], DIVIDEND: [PAID], DATES: [PLANNED]}
        yield fake


@pytest.fixture
async def provider(fake: FakeJquants) -> AsyncIterator[JquantsProvider]:
    found = JquantsProvider(JquantsSource.connect(fake.url, API_KEY, NoRateLimit()))
    yield found
    await found.close()


async def test_a_full_year_has_its_figures_and_the_forecasts_of_the_next(provider: JquantsProvider) -> None:
    (found,) = (await provider.fetch_day(DAY, [DisclosureKind.STATEMENTS])).statements
    assert (found.symbol, found.document, found.period) == ("7203", "20250507500001", "FY")
    assert (found.disclosed_at, found.year_end) == (jst("2025-05-08 13:55"), date(2025, 3, 31))
    assert (found.sales, found.operating_profit, found.ordinary_profit) == (48_036_704e6, 4_795_586e6, None)
    assert (found.net_profit, found.eps, found.bps, found.dividend) == (4_765_086e6, 359.56, 2753.09, 90.0)
    assert (found.equity, found.assets, found.shares) == (36_878_913e6, 93_601_350e6, 13_048_241_980.0)
    assert (found.forecast_year_end, found.forecast_eps, found.forecast_dividend) == (date(2026, 3, 31), 237.56, 95.0)
    forecasts = found.forecast_sales, found.forecast_operating_profit, found.forecast_net_profit
    assert forecasts == (48_500e9, 3_800e9, 3_100e9)


async def test_a_quarter_has_the_forecasts_of_its_own_year(fake: FakeJquants, provider: JquantsProvider) -> None:
    fake.disclosed[SUMMARY] = [QUARTER]
    (found,) = (await provider.fetch_company("7203", [DisclosureKind.STATEMENTS])).statements
    assert (found.sales, found.eps, found.bps, found.dividend) == (12_253_300e6, 64.5, None, None)
    assert (found.forecast_year_end, found.forecast_eps, found.forecast_dividend) == (date(2026, 3, 31), 204.13, 95.0)
    assert fake.asked(SUMMARY) == [{"code": "72030"}]


async def test_a_changed_forecast_alone_is_of_the_year_that_runs(fake: FakeJquants, provider: JquantsProvider) -> None:
    blank = dict.fromkeys(("Sales", "OP", "NP", "EPS", "BPS", "Eq", "TA", "DivAnn"), "")
    row = QUARTER | blank | {"CurPerType": "FY", "DocType": "EarnForecastRevision", "FEPS": "250.0"}
    fake.disclosed[SUMMARY] = [row]
    (found,) = (await provider.fetch_day(DAY, [DisclosureKind.STATEMENTS])).statements
    assert (found.eps, found.forecast_eps, found.forecast_year_end) == (None, 250.0, date(2026, 3, 31))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("15:00", "2025-05-08 15:00"),
        ("15:30:00", "2025-05-08 15:30"),
        ("24:30", "2025-05-09 00:30"),
        ("", "2025-05-09 00:00"),
        (None, "2025-05-09 00:00"),
    ],
)
async def test_the_moment_is_that_of_japan(
    fake: FakeJquants, provider: JquantsProvider, text: str | None, at: str
) -> None:
    fake.disclosed[SUMMARY] = [FULL_YEAR | {"DiscTime": text}]
    (found,) = (await provider.fetch_day(DAY, ALL)).statements
    assert found.disclosed_at == jst(at)


async def test_events_come_with_their_notice_and_their_day(fake: FakeJquants, provider: JquantsProvider) -> None:
    planned, paid = (await provider.fetch_company("7203", ALL)).events
    assert (planned.kind, planned.period, planned.day) == (CompanyEventKind.ANNOUNCEMENT, "1Q", date(2025, 8, 7))
    # Only the day of the notice is told: it is known when that day is over.
    assert planned.disclosed_at == jst("2025-07-02 00:00")
    assert (paid.kind, paid.period, paid.day) == (CompanyEventKind.DIVIDEND, "final", date(2026, 3, 30))
    assert (paid.amount, paid.is_forecast, paid.is_withdrawn) == (50.0, True, False)
    assert paid.disclosed_at == jst("2025-05-08 14:00")
    fake.disclosed[DATES] = [PLANNED | {"SchDate": ""}]
    fake.disclosed[DIVIDEND] = [PAID | {"DivRate": "-", "StatCode": "3", "FRCode": "1", "ExDate": ""}]
    planned, paid = (await provider.fetch_company("7203", ALL)).events
    assert planned.day is None
    assert (paid.amount, paid.is_forecast, paid.is_withdrawn, paid.day) == (None, False, True, None)


async def test_only_the_kinds_that_are_wanted_are_asked_for(fake: FakeJquants, provider: JquantsProvider) -> None:
    found = await provider.fetch_day(date(2025, 7, 1), [DisclosureKind.ANNOUNCEMENTS])
    assert (len(found.statements), len(found.events)) == (0, 1)
    assert [request.path for request in fake.requests] == [DATES]


async def test_pages_are_followed_and_other_shares_left_out(fake: FakeJquants, provider: JquantsProvider) -> None:
    fake.page_rows = 2
    codes = ["72030", "67580", "25935", "13010", "99840"]
    fake.disclosed[SUMMARY] = [FULL_YEAR | {"Code": code} for code in codes]
    found = (await provider.fetch_day(DAY, [DisclosureKind.STATEMENTS])).statements
    assert [each.symbol for each in found] == ["7203", "6758", "1301", "9984"]


@pytest.mark.parametrize(
    ("path", "change", "why"),
    [
        (SUMMARY, {"EPS": "n/a"}, "EPS was 'n/a', expected a number"),
        (SUMMARY, {"EPS": "nan"}, "EPS was 'nan', expected a number"),
        (SUMMARY, {"Sales": True}, "Sales was 'True', expected a number"),
        (SUMMARY, {"DiscTime": "30:00"}, "DiscTime was '30:00', expected HH:MM"),
        (SUMMARY, {"DiscNo": ""}, "DiscNo was '', expected a text"),
        (SUMMARY, {"CurPerEn": "31.3.2025"}, "CurPerEn was '31.3.2025', expected YYYY-MM-DD"),
        (DIVIDEND, {"StatCode": "9"}, "StatCode '9'"),
        (DIVIDEND, {"CARefNo": None}, "CARefNo was 'None', expected a text"),
        (DATES, {"SchDate": "soon"}, "SchDate was 'soon', expected YYYY-MM-DD"),
    ],
)
async def test_a_value_of_another_kind_is_a_fault(
    fake: FakeJquants, provider: JquantsProvider, path: str, change: dict[str, Any], why: str
) -> None:
    fake.disclosed[path] = [row | change for row in fake.disclosed[path]]
    with pytest.raises(ProviderError, match="jquants") as caught:
        await provider.fetch_company("7203", ALL)
    assert why in caught.value.message


async def test_a_field_that_is_missing_is_a_fault(fake: FakeJquants, provider: JquantsProvider) -> None:
    fake.disclosed[SUMMARY] = [{name: value for name, value in FULL_YEAR.items() if name != "BPS"}]
    with pytest.raises(ProviderError, match="lacked BPS"):
        await provider.fetch_day(DAY, ALL)


async def test_a_plan_without_a_kind_is_refused_with_its_reason(fake: FakeJquants, provider: JquantsProvider) -> None:
    fake.faults = [say_status(403)]
    with pytest.raises(ProviderError, match="its plan the data") as caught:
        await provider.fetch_day(DAY, [DisclosureKind.DIVIDENDS])
    assert not caught.value.retryable
