"""J-Quants' bulk files bring what questions would; where they fail it is told or asked for, never taken for quiet."""

import asyncio
import gzip
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from kaboom.drivers.http.downloader import HttpDownloader
from kaboom.errors import ProviderError, RateLimited
from kaboom.market.action import CorporateAction
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.jquants import bulk as module
from kaboom.providers.jquants import query
from kaboom.providers.jquants.bulk import JquantsBulk
from kaboom.providers.jquants.file_cache import JquantsShelf
from kaboom.providers.jquants.get import JquantsSource
from kaboom.providers.jquants.provider import JquantsProvider
from tests.fixtures.providers.fake_jquants import API_KEY, FakeJquants, jquants_server
from tests.fixtures.providers.provider_faults import SPOILT, as_json, say_status
from tests.fixtures.providers.remote_providers import CountingRateLimiter
from tests.fixtures.servers.http_servers import Request, Response

pytestmark = pytest.mark.anyio

#: Two sessions of a past month, which is one file, and two of the running one, which are two.
SESSIONS = (date(2026, 10, 29), date(2026, 10, 30), date(2026, 11, 13), date(2026, 11, 16))
MONDAY = SESSIONS[-1]
SYMBOLS = ("7203", "285A", "6758", "1301", "9999", "9984")
INTERVALS = pytest.mark.parametrize("interval", [Interval.M1, Interval.H1, Interval.D1])
ALWAYS = -1_000_000


@pytest.fixture
def fake() -> Iterator[FakeJquants]:
    with jquants_server() as fake:
        fake.market.listed |= {"9984": "0111"}
        fake.market.quiet = {"9984"}
        # Files of few days are made faster.
        fake.files.first, fake.files.until = date(2026, 10, 28), MONDAY
        fake.files.lacking = {f"202611{day:02}" for day in range(1, 13)}
        yield fake


@pytest.fixture
def gate() -> CountingRateLimiter:
    return CountingRateLimiter()


@pytest.fixture
async def bulk(fake: FakeJquants, gate: CountingRateLimiter, tmp_path: Path) -> AsyncIterator[JquantsProvider]:
    """A provider that takes all from files and asks nothing in their place."""
    provider = build(fake, tmp_path, gate, least_saved=ALWAYS, most_instead=0)
    yield provider
    await provider.close()


def build(fake: FakeJquants, folder: Path, gate: CountingRateLimiter | None = None, **when: int) -> JquantsProvider:
    gate = gate or CountingRateLimiter()
    source = JquantsSource.connect(fake.url, API_KEY, gate)
    downloader = HttpDownloader(timeout_s=5, stall_s=5)
    shelf = JquantsShelf(source, gate, folder / "files", downloader=downloader)
    return JquantsProvider(source, bulk=JquantsBulk(source, shelf, **when))


async def ask(
    provider: JquantsProvider, interval: Interval, *sessions: date, symbols: tuple[str, ...] = SYMBOLS
) -> FetchedBars:
    return await provider.fetch_bars(BarRequest(symbols, interval, sessions or SESSIONS))


async def ask_without(fake: FakeJquants, interval: Interval, *sessions: date) -> FetchedBars:
    provider = JquantsProvider(JquantsSource.connect(fake.url, API_KEY, CountingRateLimiter()))
    try:
        return await ask(provider, interval, *sessions)
    finally:
        await provider.close()


def paths(fake: FakeJquants) -> list[str]:
    return [request.path for request in fake.requests]


def odd(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Have fractions that are no round binary numbers, a split, and a row that lacks one value."""

    def change(row: dict[str, Any]) -> dict[str, Any]:
        is_split = "AdjFactor" in row and row["Code"] == "72030" and row["Date"] == "2026-11-13"
        more: dict[str, Any] = {"AdjFactor": 0.333333} if is_split else {}
        # The same rows, however they are asked for.
        is_odd = zlib.crc32(f"{row['Code']} {row['Date']} {row.get('Time')}".encode()) % 3 == 0
        if row["O"] is not None and is_odd:
            more |= {"O": row["O"] + 0.1, "L": 0.30000000000000004, "C": None}
        return row | more

    return [change(row) for row in rows]


@pytest.mark.parametrize("interval", Interval)
@pytest.mark.parametrize("sessions", [SESSIONS, SESSIONS[:1], SESSIONS[-1:], SESSIONS[1:3]], ids=str)
async def test_files_bring_exactly_what_questions_bring(
    fake: FakeJquants, bulk: JquantsProvider, interval: Interval, sessions: tuple[date, ...]
) -> None:
    fake.spoil = odd
    asked = await ask_without(fake, interval, *sessions)
    fake.requests.clear()
    taken = await ask(bulk, interval, *sessions)
    assert taken.bars.equals(asked.bars)
    assert taken.bars.schema == asked.bars.schema
    assert dict(taken.outcomes) == dict(asked.outcomes)
    assert list(taken.actions) == list(asked.actions)
    assert {s: o.outcome for s, o in taken.outcomes.items()} == {
        "9999": Outcome.NOT_LISTED,
        "9984": Outcome.NO_TRADES,
    }
    if interval is Interval.D1 and date(2026, 11, 13) in sessions:
        assert taken.actions == [CorporateAction("7203", date(2026, 11, 13), 1 / 3)]
    assert set(paths(fake)) == {"/bulk/list", "/bulk/get", "/equities/master"}


async def test_a_month_s_file_and_a_day_s_are_each_fetched_once(
    fake: FakeJquants, bulk: JquantsProvider, gate: CountingRateLimiter
) -> None:
    for interval in (Interval.M1, Interval.M5, Interval.H1):
        await ask(bulk, interval)
    assert [request.path.rpartition("_")[2] for request in fake.files.requests] == [
        "202610.csv.gz",
        "20261113.csv.gz",
        "20261116.csv.gz",
    ]
    # Each list, address and file had its turn.
    assert gate.permits == len(fake.requests) + len(fake.files.requests)


async def test_a_corrected_file_is_fetched_anew(fake: FakeJquants, bulk: JquantsProvider) -> None:
    await ask(bulk, Interval.D1, MONDAY)
    fake.files.written = "2026-12-01T00:00:00+00:00"
    await ask(bulk, Interval.D1, MONDAY)
    assert len(fake.files.requests) == 2


async def test_processes_that_share_a_folder_fetch_a_file_once(fake: FakeJquants, tmp_path: Path) -> None:
    providers = [build(fake, tmp_path, least_saved=ALWAYS, most_instead=0) for _ in range(4)]
    answers = await asyncio.gather(*(ask(provider, Interval.M1, MONDAY) for provider in providers))
    assert len(fake.files.requests) == 1
    assert all(answer.bars.equals(answers[0].bars) for answer in answers)
    for provider in providers:
        await provider.close()


async def test_the_key_is_not_sent_to_the_files_host(fake: FakeJquants, bulk: JquantsProvider) -> None:
    await ask(bulk, Interval.D1, MONDAY)
    (request,) = fake.files.requests
    assert API_KEY not in f"{request.target} {request.headers}"
    assert {"x-api-key", "authorization", "cookie"}.isdisjoint(request.headers)
    assert request.headers["accept-encoding"] == "identity"


async def test_what_is_kept_is_for_its_owner_and_holds_no_draft(
    fake: FakeJquants, bulk: JquantsProvider, tmp_path: Path
) -> None:
    await ask(bulk, Interval.D1, MONDAY)
    folder = tmp_path / "files"
    assert folder.stat().st_mode & 0o077 == 0
    assert sorted(place.suffix for place in folder.iterdir()) == ["", ".gz"]


@pytest.mark.parametrize("fault", SPOILT)
@INTERVALS
async def test_a_corrupt_file_is_a_fault(
    fake: FakeJquants, bulk: JquantsProvider, fault: str, interval: Interval
) -> None:
    fake.files.faults = [SPOILT[fault]] * 50
    with pytest.raises(ProviderError) as caught:
        await ask(bulk, interval, MONDAY)
    assert not isinstance(caught.value, RateLimited)
    assert "20261116.csv.gz" in caught.value.message
    assert "JQUANTS_BULK" in caught.value.message
    fake.files.faults = []
    assert (await ask(bulk, interval, MONDAY)).bars.height


@pytest.mark.parametrize("fault", SPOILT)
@pytest.mark.parametrize("question", [0, 1], ids=["list", "address"])
async def test_a_corrupt_answer_is_a_fault(fake: FakeJquants, bulk: JquantsProvider, fault: str, question: int) -> None:
    keep = [lambda _request, usual: usual] * question
    fake.faults = [*keep, *[SPOILT[fault]] * 50]
    with pytest.raises(ProviderError, match="jquants"):
        await ask(bulk, Interval.M1, MONDAY)
    assert not fake.files.requests


@INTERVALS
async def test_a_plan_without_files_is_reported(fake: FakeJquants, bulk: JquantsProvider, interval: Interval) -> None:
    fake.files.in_plan = False
    message = r"said 403, it refused the request: .* without bulk files \(JQUANTS_BULK\)"
    with pytest.raises(ProviderError, match=message) as e:
        await ask(bulk, interval)
    assert not e.value.retryable
    assert len(fake.requests) == 1


@INTERVALS
@pytest.mark.parametrize("failing", ["plan", "file", "missing", "columns", "gzip"])
async def test_few_questions_are_asked_in_place_of_files(
    fake: FakeJquants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, interval: Interval
) -> None:
    log = CapturingLogger()
    monkeypatch.setattr(module, "_log", log)
    fake.files.in_plan = failing != "plan"
    fake.files.faults = [say_status(404)] * (failing == "file")
    fake.files.lacking |= {"20261116"} if failing == "missing" else set()
    fake.files.columns = {"C": "Close"} if failing == "columns" else {}
    if failing == "gzip":
        fake.files.pack = lambda text: gzip.compress(text)[:-9]
    provider = build(fake, tmp_path, least_saved=ALWAYS, most_instead=len(SYMBOLS))
    taken = await ask(provider, interval, MONDAY)
    await provider.close()
    assert taken.bars.equals((await ask_without(fake, interval, MONDAY)).bars)
    (call,) = log.calls
    assert (call.method_name, call.args) == ("warning", ("bulk_files_left",))
    assert call.kwargs["reason"].startswith("jquants")
    assert "X-Amz" not in str(call)


@pytest.mark.parametrize("is_files_host", [False, True])
async def test_a_pause_holds_for_files_and_questions_alike(
    fake: FakeJquants, tmp_path: Path, *, is_files_host: bool
) -> None:
    (fake.files if is_files_host else fake).faults = [say_status(429, Retry_After="40")] * 50
    provider = build(fake, tmp_path, least_saved=ALWAYS)
    with pytest.raises(RateLimited) as caught:
        await ask(provider, Interval.D1, MONDAY)
    await provider.close()
    assert caught.value.retry_after_s == 40
    assert "/equities/bars/daily" not in paths(fake)


async def test_an_address_that_has_expired_is_asked_for_once_more(fake: FakeJquants, bulk: JquantsProvider) -> None:
    fake.files.faults = [say_status(403)]
    assert (await ask(bulk, Interval.D1, MONDAY)).bars.height
    assert paths(fake).count("/bulk/get") == 2


async def test_addresses_that_never_hold_are_a_fault(fake: FakeJquants, bulk: JquantsProvider) -> None:
    fake.files.life_s = 0
    with pytest.raises(ProviderError, match="its host refused the address, which lasts five minutes") as caught:
        await ask(bulk, Interval.D1, MONDAY)
    assert caught.value.retryable
    assert "X-Amz" not in str(caught.value)
    assert len(fake.files.requests) == 2


async def test_a_file_that_its_host_does_not_have_is_reported(fake: FakeJquants, bulk: JquantsProvider) -> None:
    fake.files.faults = [say_status(404)]
    with pytest.raises(ProviderError, match=r"20261116\.csv\.gz is on the list, and its host said 404"):
        await ask(bulk, Interval.D1, MONDAY)


async def test_a_day_without_a_file_is_reported(fake: FakeJquants, bulk: JquantsProvider) -> None:
    fake.files.until = SESSIONS[2]
    with pytest.raises(ProviderError, match="no bulk file holds 2026-11-16") as caught:
        await ask(bulk, Interval.M1)
    assert caught.value.retryable


async def test_a_file_that_was_damaged_where_it_lies_is_fetched_anew(fake: FakeJquants, bulk: JquantsProvider) -> None:
    fake.files.pack = lambda text: gzip.compress(text)[:-9]
    for _ in range(2):
        with pytest.raises(ProviderError, match="is damaged: Compressed file ended before") as caught:
            await ask(bulk, Interval.D1, MONDAY)
        assert caught.value.retryable
    assert len(fake.files.requests) == 2


async def test_wrong_columns_are_named_and_not_asked_for_again(fake: FakeJquants, bulk: JquantsProvider) -> None:
    fake.files.columns = {"C": "Close"}
    for _ in range(2):
        with pytest.raises(ProviderError, match=r"lacked \['C'\], it had .*'Close'") as caught:
            await ask(bulk, Interval.M1, MONDAY)
        assert not caught.value.retryable
    assert len(fake.files.requests) == 1


async def test_a_day_that_a_month_s_file_lacks_is_reported(fake: FakeJquants, bulk: JquantsProvider) -> None:
    fake.spoil = lambda rows: [row for row in rows if row["Date"] != "2026-10-30"]
    for interval in (Interval.M1, Interval.D1):
        with pytest.raises(ProviderError, match=r"202610\.csv\.gz has no row of 2026-10-30"):
            await ask(bulk, interval)


@pytest.mark.parametrize("interval", [Interval.M5, Interval.D1])
async def test_a_day_of_which_most_is_missing_is_a_fault(
    fake: FakeJquants, bulk: JquantsProvider, interval: Interval
) -> None:
    symbols = tuple(str(n) for n in range(1300, 1330))
    fake.market.listed = dict.fromkeys(symbols, "0111")
    fake.spoil = lambda rows: [row for row in rows if row["Code"] < "13100"]
    with pytest.raises(ProviderError, match="2026-11-16 had a bulk file, of 30 issues asked for 10") as caught:
        await ask(bulk, interval, MONDAY, symbols=symbols)
    assert caught.value.retryable


async def test_rows_that_do_not_trade_may_be_missing(fake: FakeJquants, bulk: JquantsProvider) -> None:
    fake.spoil = lambda rows: [row for row in rows if row["O"] is not None]
    taken = await ask(bulk, Interval.D1, MONDAY)
    assert {s: o.outcome for s, o in taken.outcomes.items()} == {
        "9999": Outcome.NOT_LISTED,
        "9984": Outcome.NO_TRADES,
    }


async def test_premium_s_files_lie_elsewhere(fake: FakeJquants, bulk: JquantsProvider) -> None:
    fake.files.folder = "premium/"
    assert (await ask(bulk, Interval.D1)).bars.height == 4 * len(SESSIONS)


@pytest.mark.parametrize(
    ("interval", "symbols", "sessions", "asked"),
    [
        (Interval.M1, 3, 1, []),  # three questions are no more than a file is
        (Interval.M1, 6, 1, ["/bulk/list", "/bulk/get", "/equities/master"]),
        (Interval.M1, 6, 4, ["/bulk/list"]),  # of three files
        (Interval.D1, 6, 1, []),
        (Interval.D1, 3, 4, []),
        (Interval.D1, 6, 4, ["/bulk/list"]),
    ],
)
async def test_files_are_used_where_they_save_questions(
    fake: FakeJquants, tmp_path: Path, interval: Interval, symbols: int, sessions: int, asked: list[str]
) -> None:
    provider = build(fake, tmp_path)
    await ask(provider, interval, *SESSIONS[-sessions:], symbols=SYMBOLS[:symbols])
    await provider.close()
    rest = [path for path in paths(fake) if path.startswith("/bulk") or "/bulk/get" in paths(fake)]
    assert rest == asked


async def test_a_large_file_has_to_save_more(fake: FakeJquants, tmp_path: Path) -> None:
    # 100 MB weigh as much as 49 questions, to which the list and the address come.
    def list_large(_request: Request, usual: Response) -> Response:
        text = re.sub(rb'"Size":\d+', b'"Size":100000000', gzip.decompress(usual.body))
        return replace(usual, body=gzip.compress(text))

    symbols = tuple(str(n) for n in range(1300, 1350))
    fake.market.listed = dict.fromkeys(symbols, "0111")
    fake.faults = [list_large]
    provider = build(fake, tmp_path)
    await ask(provider, Interval.M1, MONDAY, symbols=symbols)
    await provider.close()
    assert paths(fake)[0] == "/bulk/list"
    assert "/bulk/get" not in paths(fake)


async def test_a_file_that_is_too_large_is_not_begun(fake: FakeJquants, tmp_path: Path) -> None:
    source = JquantsSource.connect(fake.url, API_KEY, CountingRateLimiter())
    shelf = JquantsShelf(source, CountingRateLimiter(), tmp_path, most_bytes=10)
    provider = JquantsProvider(source, bulk=JquantsBulk(source, shelf, least_saved=ALWAYS, most_instead=0))
    with pytest.raises(ProviderError, match=r"20261116\.csv\.gz has [\d,]+ bytes, supported are 10"):
        await ask(provider, Interval.D1, MONDAY)
    await provider.close()
    assert paths(fake) == ["/bulk/list"]


async def test_a_file_longer_than_listed_is_cut_off(fake: FakeJquants, bulk: JquantsProvider) -> None:
    fake.files.faults = [lambda _request, usual: replace(usual, body=usual.body + b"x" * 1_000_000)]
    with pytest.raises(ProviderError, match="was longer than listed"):
        await ask(bulk, Interval.D1, MONDAY)


async def test_an_unwritable_folder_is_reported(fake: FakeJquants, bulk: JquantsProvider, tmp_path: Path) -> None:
    (tmp_path / "files").write_text("in the way")
    with pytest.raises(ProviderError, match="no bulk file could be kept in the data folder: File exists"):
        await ask(bulk, Interval.D1, MONDAY)


@pytest.mark.parametrize(
    ("params", "is_there"),
    [
        ({"endpoint": query.DAILY, "date": "2026-11-16"}, True),
        ({"endpoint": query.MINUTES, "date": "202610"}, True),
        ({"endpoint": query.DAILY, "date": "2026-11-15"}, False),
        ({"endpoint": query.DAILY}, False),
        ({"key": "equities/bars/daily/live/equities_bars_daily_20261115.csv.gz"}, False),
        ({}, False),
    ],
)
async def test_an_address_is_returned_only_for_an_existing_file(
    fake: FakeJquants, params: dict[str, str], *, is_there: bool
) -> None:
    source = JquantsSource.connect(fake.url, API_KEY, CountingRateLimiter())
    asked = query.JquantsQuery("/bulk/get", params)
    if is_there:
        assert (await source.fetch_address(asked)).startswith(fake.files.url)
    else:
        with pytest.raises(ProviderError, match="status was 400") as caught:
            await source.fetch_address(asked)
        assert not caught.value.retryable
    await source.close()


@pytest.mark.parametrize(
    "url", ["http://files.example/x", "ftp://files.example/x", "https://", "https://[", "", None, 7]
)
async def test_an_address_that_is_not_encrypted_is_refused(fake: FakeJquants, url: Any) -> None:
    fake.faults = [lambda *_: as_json({"url": url})]
    plain = JquantsSource.connect(fake.url, API_KEY, CountingRateLimiter())
    source = JquantsSource(plain._wire)
    with pytest.raises(ProviderError, match=r"had the fields \['url'\], expected the address of a file by https in"):
        await source.fetch_address(query.ask_address("x"))
    await source.close()


def test_with_files_chunks_are_sessions_and_months(fake: FakeJquants, tmp_path: Path) -> None:
    capabilities = build(fake, tmp_path).capabilities
    assert capabilities.bulk_by_session == frozenset(Interval)
    assert capabilities.bulk_by_month == {Interval.D1}
    assert capabilities.is_bulk(Interval.D1, 1)
    assert [capabilities.is_bulk(Interval.M1, symbols) for symbols in (199, 200)] == [False, True]
