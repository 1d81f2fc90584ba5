"""Whole ingests from servers that fail in part: every symbol is accounted for, and nothing wrong is stored."""

import asyncio
import gzip
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kaboom.bars.open import build_bar_store
from kaboom.bars.open_provider import build_provider
from kaboom.bars.pages.store import PageBarStore
from kaboom.domain_settings import BatchSettings
from kaboom.drivers.clock import utc_now
from kaboom.errors import ConfigurationError, InvalidRequest
from kaboom.ingest.request import IngestRequest
from kaboom.ingest.run_daily import run_daily_ingest
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import latest_closed_session, previous_session
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome, OutcomeReport
from tests.fixtures.providers.fake_jquants import API_KEY, FakeJquants, jquants_server
from tests.fixtures.providers.fake_yahoo import FakeYahoo, yahoo_server
from tests.fixtures.providers.provider_faults import cut_off, say_status
from tests.fixtures.servers.http_servers import Request, Response

PRIME = ("4063", "6758", "7203", "8306", "9432", "9984")
#: A minute of each stamp of the grid.
DAY_OF_MINUTES = 327


@pytest.fixture
def jquants() -> Iterator[FakeJquants]:
    with jquants_server() as fake:
        fake.market.listed = dict.fromkeys(PRIME, "0111") | {"1301": "0112"}
        yield fake


@pytest.fixture
def yahoo() -> Iterator[FakeYahoo]:
    with yahoo_server() as fake:
        fake.market.listed = dict.fromkeys(PRIME, "0111")
        yield fake


def settings_for(folder: Path, fake: FakeJquants | FakeYahoo, **values: Any) -> BatchSettings:
    if isinstance(fake, FakeJquants):
        values = {"provider": "jquants", "jquants_api_key": API_KEY, "jquants_base_url": fake.url} | values
    else:
        values = {"provider": "yahoo", "yahoo_enabled": True, "yahoo_base_url": fake.url} | values
    # Turns a second apart would be waited for, and so would pauses.
    off = dict.fromkeys(("provider_requests_per_minute", "provider_concurrency"), f"{values['provider']}=off")
    return BatchSettings(data_dir=folder, bar_store="pages", fetch_attempts=2, provider_patience_s=0, **(off | values))


def ingest(settings: BatchSettings, **request: Any) -> OutcomeReport:
    async def run() -> OutcomeReport:
        provider = build_provider(settings)
        try:
            return await run_daily_ingest(IngestRequest.parse(request), settings=settings)
        finally:
            await provider.close()
            await build_bar_store(settings).close()

    return asyncio.run(run())


def held(settings: BatchSettings, interval: Interval) -> pl.DataFrame:
    """Return how many bars of each symbol are kept, for whatever session."""

    async def ask() -> pl.DataFrame:
        store = PageBarStore(settings.bars_dir)
        try:
            last = utc_now().date()
            series = BarSeries(settings.provider, interval)
            return await store.coverage(series, first=last - timedelta(days=400), last=last)
        finally:
            await store.close()

    return asyncio.run(ask())


def by_symbol(report: OutcomeReport) -> dict[str, Outcome]:
    return {outcome.symbol: outcome.outcome for outcome in report.outcomes}


def as_if_of(code: str) -> Any:
    """Return a fault that gives the rows of an issue as those of another."""

    def swap(request: Request, usual: Response) -> Response:
        text = gzip.decompress(usual.body).replace(request.params["code"].encode(), code.encode())
        return replace(usual, body=gzip.compress(text))

    return swap


def test_jquants_accounts_for_its_whole_universe(jquants: FakeJquants, tmp_path: Path) -> None:
    jquants.market.quiet = {"9984"}
    jquants.faults_by_code = {"83060": cut_off, "94320": as_if_of("72030")}
    settings = settings_for(tmp_path, jquants)
    report = ingest(settings, intervals={"1m": 1, "1d": 3})
    minutes, days = report.outcomes[: len(PRIME)], report.outcomes[len(PRIME) :]
    assert {o.symbol: o.outcome for o in minutes} == {
        **dict.fromkeys(("4063", "6758", "7203"), Outcome.OK),
        "9984": Outcome.NO_TRADES,
        "8306": Outcome.PROVIDER_ERROR,
        "9432": Outcome.PROVIDER_ERROR,
    }
    # Three sessions of all issues are three chunks.
    assert [o.outcome for o in days] == [*[Outcome.OK] * 5, Outcome.NO_TRADES] * 3
    assert sum(report.by_outcome().values()) == len(PRIME) * 4
    assert report.rows == 3 * DAY_OF_MINUTES + 5 * 3
    assert set(held(settings, Interval.M1)["symbol"]) == {"4063", "6758", "7203"}


def test_days_of_all_issues_are_one_question_each(jquants: FakeJquants, tmp_path: Path) -> None:
    report = ingest(settings_for(tmp_path, jquants), intervals={"1d": 3})
    assert len(jquants.asked("/equities/bars/daily")) == 3
    assert not [params for params in jquants.asked("/equities/bars/daily") if "code" in params]
    assert report.by_outcome()[Outcome.OK] == len(PRIME) * 3


def test_many_days_of_few_issues_are_one_question_an_issue(jquants: FakeJquants, tmp_path: Path) -> None:
    report = ingest(settings_for(tmp_path, jquants), intervals={"1d": 40}, symbols=["7203", "9999"])
    assert {params.get("code") for params in jquants.asked("/equities/bars/daily")} == {"72030", "99990"}
    assert len(jquants.asked("/equities/bars/daily")) == 2
    assert by_symbol(report) == {"7203": Outcome.OK, "9999": Outcome.NOT_LISTED}
    (unknown,) = (outcome for outcome in report.outcomes if outcome.symbol == "9999")
    assert unknown.message.startswith("no symbol list has it; nearest to 9999: 9997, ")
    assert report.rows == 40


def with_files(fake: FakeJquants, *, symbols: int = 0) -> None:
    """Have bulk files of the last months, and so many issues more."""
    fake.market.listed |= dict.fromkeys((str(n) for n in range(1310, 1310 + symbols)), "0111")
    fake.files.until = utc_now().date()
    fake.files.first = fake.files.until - timedelta(days=100)


def test_daily_bars_are_read_from_monthly_files(jquants: FakeJquants, tmp_path: Path) -> None:
    with_files(jquants, symbols=40)
    settings = settings_for(tmp_path / "files", jquants, jquants_bulk=True)
    report = ingest(settings, intervals={"1d": 40})
    assert report.by_outcome()[Outcome.OK] == len(report.outcomes)
    assert report.rows == 40 * 46
    whole_months = {params["key"][-13:-7] for params in jquants.asked("/bulk/get")}
    assert whole_months
    # Of a month that has begun, and of one of which little is asked for, days are asked for.
    days = [date.fromisoformat(params["date"]) for params in jquants.asked("/equities/bars/daily")]
    assert not {f"{day:%Y%m}" for day in days} & whole_months
    asked = settings_for(tmp_path / "asked", jquants)
    ingest(asked, intervals={"1d": 40})
    same = ["symbol", "session", "bars"]
    assert held(settings, Interval.D1).select(same).equals(held(asked, Interval.D1).select(same))


def test_minutes_come_from_a_file_a_day(jquants: FakeJquants, tmp_path: Path) -> None:
    with_files(jquants)
    jquants.files.is_made = lambda day: day >= latest_closed_session(utc_now(), delay_s=3600)
    jquants.market.quiet = {"9984"}
    report = ingest(settings_for(tmp_path, jquants, jquants_bulk=True), intervals={"1m": 1})
    assert by_symbol(report) == dict.fromkeys(PRIME, Outcome.OK) | {"9984": Outcome.NO_TRADES}
    assert not jquants.asked("/equities/bars/minute")
    assert len(jquants.files.requests) == 1


def test_without_files_in_the_plan_few_questions_are_asked(jquants: FakeJquants, tmp_path: Path) -> None:
    with_files(jquants)
    jquants.files.in_plan = False
    report = ingest(settings_for(tmp_path, jquants, jquants_bulk=True), intervals={"1m": 1})
    assert by_symbol(report) == dict.fromkeys(PRIME, Outcome.OK)
    assert len(jquants.asked("/equities/bars/minute")) == len(PRIME)


def test_minutes_of_a_market_are_not_requested_without_bulk_files(jquants: FakeJquants, tmp_path: Path) -> None:
    with_files(jquants, symbols=210)
    jquants.files.in_plan = False
    report = ingest(settings_for(tmp_path, jquants, jquants_bulk=True), intervals={"1m": 1})
    assert report.by_outcome()[Outcome.PROVIDER_ERROR] == len(report.outcomes) == 216
    assert "said 403" in report.outcomes[0].message
    assert "JQUANTS_BULK" in report.outcomes[0].message
    assert len(jquants.asked("/bulk/list")) == 1
    assert not jquants.asked("/equities/bars/minute")


def test_a_block_ends_the_asking_and_the_rest_is_reported(jquants: FakeJquants, tmp_path: Path) -> None:
    # Master and calendar come first.
    jquants.limit = 2 + 3
    report = ingest(settings_for(tmp_path, jquants), intervals={"1m": 1})
    assert report.by_outcome()[Outcome.OK] == 3
    assert report.by_outcome()[Outcome.RATE_LIMITED] == 3
    assert sum(report.by_outcome().values()) == len(PRIME)
    # Each symbol once, and those that were refused once more: without a gate a pause is not kept.
    assert len(jquants.requests) <= 2 + 6 + 3


def test_yesterday_s_bars_are_not_stored_as_today_s(jquants: FakeJquants, yahoo: FakeYahoo, tmp_path: Path) -> None:
    jquants.stale_days = yahoo.is_stale = True
    for fake, interval in ((jquants, "1d"), (yahoo, "1m"), (yahoo, "1h"), (yahoo, "1d")):
        settings = settings_for(tmp_path / f"{type(fake).__name__}-{interval}", fake)
        report = ingest(settings, intervals={interval: 1}, symbols=list(PRIME))
        assert by_symbol(report) == dict.fromkeys(PRIME, Outcome.PROVIDER_ERROR)
        assert "asked for" in report.outcomes[0].message
        assert held(settings, Interval(interval)).is_empty()


@pytest.mark.parametrize("hours", [9, -9])
@pytest.mark.parametrize("interval", ["1m", "5m", "1h"])
def test_yahoo_s_times_nine_hours_off_are_refused(yahoo: FakeYahoo, tmp_path: Path, interval: str, hours: int) -> None:
    yahoo.shift_s = hours * 3600
    settings = settings_for(tmp_path, yahoo)
    # An earlier session: today's bars shifted by nine hours may be in the future, and refused for that reason.
    session = previous_session(latest_closed_session(utc_now(), delay_s=3600)).isoformat()
    report = ingest(settings, intervals={interval: 1}, symbols=list(PRIME), session=session)
    assert by_symbol(report) == dict.fromkeys(PRIME, Outcome.INVALID)
    assert held(settings, Interval(interval)).is_empty()
    if interval == "1m":
        assert report.counts["quarantined"] > 0
        assert "off_grid" in report.outcomes[0].message


def test_jquants_times_nine_hours_off_are_refused(jquants: FakeJquants, tmp_path: Path) -> None:
    def shift(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row | {"Time": f"{(int(row['Time'][:2]) + 9) % 24:02}{row['Time'][2:]}"} for row in rows]

    jquants.spoil = shift
    settings = settings_for(tmp_path, jquants)
    report = ingest(settings, intervals={"1m": 1}, symbols=["7203"])
    assert by_symbol(report) == {"7203": Outcome.INVALID}
    assert report.counts["quarantined"] == DAY_OF_MINUTES
    assert held(settings, Interval.M1).is_empty()


def test_yahoo_accounts_for_every_symbol(yahoo: FakeYahoo, tmp_path: Path) -> None:
    yahoo.market.quiet = {"9984"}
    yahoo.instead = {"6758": "7203"}
    yahoo.faults_by_symbol = {"8306": cut_off, "9432": say_status(502)}
    settings = settings_for(tmp_path, yahoo)
    report = ingest(settings, intervals={"1m": 1}, symbols=[*PRIME, "9999"])
    assert by_symbol(report) == {
        "4063": Outcome.OK,
        "7203": Outcome.OK,
        "9984": Outcome.NO_TRADES,
        "9999": Outcome.NOT_LISTED,
        "6758": Outcome.PROVIDER_ERROR,
        "8306": Outcome.PROVIDER_ERROR,
        "9432": Outcome.PROVIDER_ERROR,
    }
    assert "meta.symbol '7203.T', expected '6758.T'" in next(o.message for o in report.outcomes if o.symbol == "6758")
    assert report.rows == 2 * DAY_OF_MINUTES
    kept = held(settings, Interval.M1)
    assert set(kept["symbol"]) == {"4063", "7203"}
    assert set(kept["session"]) == {latest_closed_session(utc_now(), delay_s=3600)}


def test_a_fault_that_passes_costs_a_try_and_nothing_else(yahoo: FakeYahoo, tmp_path: Path) -> None:
    yahoo.faults = [say_status(500), cut_off]
    report = ingest(settings_for(tmp_path, yahoo), intervals={"1m": 1}, symbols=list(PRIME))
    assert report.by_outcome()[Outcome.OK] == len(PRIME)
    # On the morning of a trading day the days since are asked for, too.
    minutes = [request for request in yahoo.requests if request.params["interval"] == "1m"]
    assert len(minutes) == len(PRIME) + 2


def test_minutes_older_than_yahoo_keeps_are_refused_before_it_is_asked(yahoo: FakeYahoo, tmp_path: Path) -> None:
    message = r"1m was requested from .*, provider yahoo has the last 29 days, from"
    with pytest.raises(InvalidRequest, match=message) as caught:
        ingest(settings_for(tmp_path, yahoo), intervals={"1m": 40}, symbols=["7203"])
    assert caught.value.pointer == "/intervals/1m"
    assert not yahoo.requests


@pytest.mark.parametrize(
    ("provider", "setting"),
    [("file", "KABOOM_FILE_DIR"), ("jquants", "JQUANTS_API_KEY"), ("yahoo", "YAHOO_ENABLED")],
)
def test_a_provider_that_was_not_turned_on_names_its_setting(tmp_path: Path, provider: str, setting: str) -> None:
    with pytest.raises(ConfigurationError, match=f"provider was {provider} and {setting} is not"):
        build_provider(BatchSettings(data_dir=tmp_path, provider=provider))
