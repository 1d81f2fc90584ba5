"""Whatever byte an answer breaks off after: a provider gives all bars or an error, and a store all rows or an error."""

import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kaboom.bars.influx.layout import InfluxBuckets
from kaboom.bars.influx.store import InfluxBarStore
from kaboom.bars.influx.target import InfluxApi, InfluxTarget
from kaboom.drivers.http.client import HttpClient
from kaboom.errors import ProviderError, StoreError
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarProvider, BarRequest
from kaboom.providers.jquants.bulk import JquantsBulk, read_file
from kaboom.providers.jquants.file_cache import BulkFile, JquantsShelf
from kaboom.providers.jquants.get import JquantsSource
from kaboom.providers.jquants.provider import JquantsProvider
from kaboom.providers.limiter.rate_limiter import NoRateLimit
from tests.fixtures.bars.stored_bars import JUNE_2, MINUTES, full_day
from tests.fixtures.influx.fake_influx import ORG, TOKEN, fake_influx
from tests.fixtures.influx.influx_stores import make_store
from tests.fixtures.providers.fake_jquants import API_KEY, FakeJquants, jquants_server
from tests.fixtures.providers.remote import Remote
from tests.fixtures.providers.remote_providers import REMOTES
from tests.fixtures.servers.cut_answers import CutServer, Framing, cutting
from tests.fixtures.servers.http_servers import Request, Response

pytestmark = pytest.mark.anyio

SESSION = date(2026, 11, 16)
#: How an answer ends, and whether it is gzip.
type Shape = tuple[Framing, bool]
SHAPES = pytest.mark.parametrize("shape", [*itertools.product(Framing, [True, False])], ids=str)
BUCKETS = InfluxBuckets("hot", "agg", "day")
#: Of a long answer the head and the end are cut at every byte, and the rest at so many places.
EDGE, BETWEEN = 150, 200


def cuts_of(length: int) -> Iterator[int]:
    """Return after how many bytes an answer is cut."""
    stride = max(1, length // BETWEEN)
    return (n for n in range(length) if n < EDGE or n >= length - EDGE or n % stride == 0)


def remembered(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Answer the same question with the same bytes: to make them takes longer than to send them."""
    given: dict[tuple[str, bytes], Response] = {}

    def recall(request: Request) -> Response:
        question = request.target, request.body
        if question not in given:
            given[question] = answer(request)
        return given[question]

    return recall


@pytest.fixture(params=sorted(REMOTES))
def remote(request: pytest.FixtureRequest) -> Iterator[Remote]:
    with REMOTES[request.param]() as remote:
        yield remote


@asynccontextmanager
async def cut_provider(remote: Remote) -> AsyncIterator[tuple[CutServer, BarProvider]]:
    async with cutting(remembered(remote.fake.answer)) as server:
        provider = remote.connect(HttpClient(server.url, timeout_s=10), NoRateLimit())
        try:
            yield server, provider
        finally:
            await provider.close()


async def fetch(provider: BarProvider, interval: Interval, symbols: tuple[str, ...] = ("7203",)) -> pl.DataFrame | None:
    """Return the bars; None where the provider said an error of every symbol."""
    try:
        fetched = await provider.fetch_bars(BarRequest(symbols, interval, (SESSION,)))
    except ProviderError as e:
        if not e.retryable:
            raise
        return None
    if not fetched.outcomes:
        return fetched.bars
    assert {said.outcome for said in fetched.outcomes.values()} == {Outcome.PROVIDER_ERROR}
    assert fetched.bars.is_empty()
    return None


def expect_cut_shows(remote: Remote, shape: Shape) -> None:
    if not remote.tells_end and shape == (Framing.CLOSE, False):
        pytest.skip("plain text that ends with the connection cannot be told from a cut one")


@SHAPES
async def test_a_cut_answer_of_a_provider_brings_an_error(remote: Remote, shape: Shape) -> None:
    expect_cut_shows(remote, shape)
    async with cut_provider(remote) as (server, provider):
        server.framing, server.is_packed = shape
        whole = await fetch(provider, remote.shortest)
        assert whole is not None
        assert whole.height > 300 or remote.shortest is not Interval.M1
        length = len(server.sent[0])
        for cut in cuts_of(length):
            server.restart(cut)
            assert await fetch(provider, remote.shortest) is None, f"{cut} of {length} bytes"


@SHAPES
async def test_a_short_answer_cut_at_any_byte_brings_an_error(remote: Remote, shape: Shape) -> None:
    expect_cut_shows(remote, shape)
    async with cut_provider(remote) as (server, provider):
        server.framing, server.is_packed = shape
        assert await fetch(provider, Interval.D1) is not None
        for cut in range(len(server.sent[0])):
            server.restart(cut)
            assert await fetch(provider, Interval.D1) is None, cut


@SHAPES
async def test_a_later_page_that_is_cut_brings_an_error(shape: Shape) -> None:
    with REMOTES["jquants"]() as remote:
        assert isinstance(remote.fake, FakeJquants)
        remote.fake.minute_page_rows = 200
        async with cut_provider(remote) as (server, provider):
            (server.framing, server.is_packed), server.cut_request = shape, 1
            whole = await fetch(provider, Interval.M1)
            assert whole is not None
            assert len(server.sent) == 2
            for cut in cuts_of(len(server.sent[1])):
                server.restart(cut)
                found = await fetch(provider, Interval.M1)
                assert found is not None and whole.equals(found) if was_asked_again(server) else found is None, cut


async def test_a_cut_list_of_issues_does_not_make_a_symbol_unlisted() -> None:
    with REMOTES["jquants"]() as remote:
        remote.fake.market.quiet = {"7203"}
        async with cut_provider(remote) as (server, provider):
            server.cut_request = 1
            asked = BarRequest(("7203",), Interval.M1, (SESSION,))
            assert (await provider.fetch_bars(asked)).outcomes["7203"].outcome is Outcome.NO_TRADES
            for cut in range(len(server.sent[1])):
                server.restart(cut)
                outcome = (await provider.fetch_bars(asked)).outcomes["7203"].outcome
                assert outcome is (Outcome.NO_TRADES if was_asked_again(server) else Outcome.PROVIDER_ERROR), cut


def was_asked_again(server: CutServer) -> bool:
    """Whether the client sent the cut request once more: it does where no line came on a kept connection."""
    return len(server.sent) == 3


def empty(folder: Path) -> None:
    """Forget the files, of which none was left half written."""
    assert not list(folder.glob("*.part"))
    for place in folder.glob("*.csv.gz"):
        place.unlink()


@asynccontextmanager
async def bulk_provider(folder: Path) -> AsyncIterator[tuple[CutServer, Any]]:
    """Give the files' host, whose answers are cut, and a function that fetches minutes from files alone."""
    with jquants_server() as fake:
        fake.files.first, fake.files.until = date(2026, 11, 13), SESSION
        async with cutting(fake.files.serve) as server:
            fake.files.url = server.url
            source = JquantsSource.connect(fake.url, API_KEY, NoRateLimit())
            shelf = JquantsShelf(source, NoRateLimit(), folder)
            bulk = JquantsBulk(source, shelf, least_saved=-1_000_000, most_instead=0)
            provider = JquantsProvider(source, bulk=bulk)

            async def ask() -> pl.DataFrame | None:
                await asyncio.to_thread(empty, folder)
                return await fetch(provider, Interval.D1, ("7203", "6758"))

            try:
                yield server, ask
            finally:
                await provider.close()


@pytest.mark.parametrize("framing", Framing)
async def test_a_cut_bulk_file_brings_an_error(tmp_path: Path, framing: Framing) -> None:
    async with bulk_provider(tmp_path) as (server, ask):
        server.framing, server.is_packed = framing, False
        assert await ask() is not None
        length = len(server.sent[0])
        for cut in range(length):
            server.restart(cut)
            assert await ask() is None, f"{cut} of {length} bytes"


def test_a_bulk_file_that_is_cut_on_disk_is_damaged(tmp_path: Path) -> None:
    rows = "".join(f"2026-11-16,{code},{n}\n" for n, code in enumerate(["72030", "67580"] * 20))
    packed = gzip.compress(f"Date,Code,O\n{rows}".encode())
    file = BulkFile("equities_bars_daily_20261116.csv.gz", "", len(packed), SESSION, SESSION)
    schema, place = {"Date": pl.String(), "Code": pl.String(), "O": pl.Float64()}, tmp_path / "x.csv.gz"
    for cut in range(1, len(packed) + 1):
        place.write_bytes(packed[:cut])
        if cut == len(packed):
            assert read_file(place, file, schema, days=[SESSION], codes=["72030"]).rows.height == 20
            break
        with pytest.raises(ProviderError, match="is damaged") as caught:
            read_file(place, file, schema, days=[SESSION], codes=["72030"])
        assert caught.value.retryable


@asynccontextmanager
async def cut_store(folder: Path, api: InfluxApi) -> AsyncIterator[tuple[CutServer, InfluxBarStore]]:
    with fake_influx(*BUCKETS.names()) as fake:
        async with cutting(fake.answer) as server:
            server.is_packed = False
            target = InfluxTarget(server.url, TOKEN, ORG, api)
            store = make_store(target, BUCKETS, folder / "refused.jsonl")
            try:
                yield server, store
            finally:
                await store.close()


VERSIONS = pytest.mark.parametrize("api", [InfluxApi.V2, InfluxApi.V3])
BARS = full_day(["7203"], JUNE_2).head(12)


async def told(asked: Awaitable[Any]) -> Any:
    try:
        return await asked
    except StoreError:
        return None


@VERSIONS
@SHAPES
async def test_a_cut_result_of_influxdb_is_an_error(tmp_path: Path, api: InfluxApi, shape: Shape) -> None:
    async with cut_store(tmp_path, api) as (server, store):
        await store.write(MINUTES, BARS)
        server.answer = remembered(server.answer)
        server.framing, server.is_packed = shape
        server.restart(None)
        whole = await store.read_session(MINUTES, JUNE_2)
        assert whole.height == BARS.height
        for cut in cuts_of(len(server.sent[0])):
            server.restart(cut)
            assert await told(store.read_session(MINUTES, JUNE_2)) is None, cut


@VERSIONS
async def test_a_cut_acknowledgement_of_influxdb_is_an_error(tmp_path: Path, api: InfluxApi) -> None:
    async with cut_store(tmp_path, api) as (server, store):
        answer = remembered(server.answer)
        server.answer = lambda request: replace(answer(request), headers={"X-More": "y" * 20})
        report = await store.write(MINUTES, BARS)
        assert not report.refused
        for cut in range(len(server.sent[0])):
            server.restart(cut)
            assert await told(store.write(MINUTES, BARS)) is None, cut
