"""Writes to a strict fake of InfluxDB v2 and v3 with scripted faults: what is refused is told, nothing is lost."""

import gzip
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from kaboom.bars.coverage.fetch_log import build_fetch_log
from kaboom.bars.influx.layout import InfluxBuckets
from kaboom.bars.influx.store import InfluxBarStore
from kaboom.bars.influx.target import InfluxApi, InfluxTarget
from kaboom.bars.store import RefusedBars, WriteReport
from kaboom.drivers.embedded.servers import free_port
from kaboom.errors import StoreError
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, full_day, refused
from tests.fixtures.influx.fake_influx import ORG, TOKEN, FakeInflux, Fault, fake_influx
from tests.fixtures.influx.influx_stores import NOW, Waits, kept_lines, make_store
from tests.fixtures.servers.http_servers import Request, Response

pytestmark = pytest.mark.anyio
BUCKETS = InfluxBuckets("hot", "agg", "day")
DAY = full_day(["1301", "285A", "7203"], JUNE_2).sort("symbol", "opened_at")


@pytest.fixture
def fake() -> Iterator[FakeInflux]:
    with fake_influx(*BUCKETS.names()) as running:
        yield running


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture(params=[InfluxApi.V2, InfluxApi.V3])
async def store(
    request: pytest.FixtureRequest, fake: FakeInflux, waits: Waits, tmp_path: Path
) -> AsyncIterator[InfluxBarStore]:
    target = InfluxTarget(fake.url, TOKEN, ORG, request.param)
    made = make_store(target, BUCKETS, tmp_path / "refused.jsonl", waits=waits)
    yield made
    await made.close()


def lines_of(fake: FakeInflux) -> list[list[str]]:
    return [gzip.decompress(write.body).decode().split("\n") for write in fake.writes]


def answer(status: int | None, body: bytes = b"", **headers: str) -> Fault:
    return lambda _: Response(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


async def held(store: InfluxBarStore) -> pl.DataFrame:
    return await store.read_session(MINUTES, JUNE_2)


class TestRequests:
    async def test_each_holds_so_many_points_gzipped(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        assert await store.with_points(500).write(MINUTES, DAY) == WriteReport(written=981)
        assert [len(lines) for lines in lines_of(fake)] == [500, 481]
        assert_frame_equal(await held(store), DAY)

    async def test_again_is_the_same_and_a_change_is_reported(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        await store.write(MINUTES, DAY)
        assert await store.write(MINUTES, DAY) == WriteReport(written=981)
        lower = DAY.with_columns(pl.col("low") - 1).head(7)
        assert await store.write(MINUTES, lower) == WriteReport(written=7, changed=7)
        assert fake.buckets["hot"].count() == 981
        assert (await held(store))["low"].head(7).to_list() == lower["low"].to_list()

    async def test_a_too_large_write_is_halved_until_it_fits(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        fake.max_bytes = 40_000
        assert (await store.write(MINUTES, DAY)).written == 981
        assert fake.buckets["hot"].count() == 981
        assert kept_lines(store) == []

    async def test_a_line_that_is_too_large_alone_is_refused(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        fake.max_bytes = 10
        report = await store.write(MINUTES, DAY.head(2))
        assert (report.written, report.refused[0].bars) == (0, 2)
        assert "413" in report.refused[0].reason
        assert len(kept_lines(store)) == 2


class TestPauses:
    async def test_those_asked_for_are_taken_and_everything_arrives(
        self, fake: FakeInflux, store: InfluxBarStore, waits: Waits
    ) -> None:
        later = format_datetime(NOW + timedelta(seconds=20), usegmt=True)
        fake.faults = [answer(429, Retry_After="7"), answer(503, Retry_After=later), *[answer(503)] * 3]
        assert (await store.write(MINUTES, DAY)).written == 981
        assert waits.seconds[:2] == [7.0, 20.0]
        assert all(0 < s <= 10 for s in waits.seconds[2:])
        assert len(waits.seconds) == 5

    async def test_too_long_a_one_is_an_error_that_says_so(
        self, fake: FakeInflux, store: InfluxBarStore, waits: Waits
    ) -> None:
        fake.faults = [answer(429, Retry_After="300")]
        with pytest.raises(StoreError, match=r"answered 429 and asked for 300 s") as error:
            await store.write(MINUTES, DAY)
        assert (error.value.retryable, error.value.retry_after_s) == (True, 300.0)
        assert waits.seconds == []

    async def test_a_storm_without_an_end_ends_within_the_patience(
        self, fake: FakeInflux, store: InfluxBarStore, waits: Waits
    ) -> None:
        fake.faults = [answer(503)] * 99
        with pytest.raises(StoreError, match="answered 503") as error:
            await store.write(MINUTES, DAY)
        assert error.value.retryable
        assert 60 < sum(waits.seconds) <= 90


class TestRefusedLines:
    async def test_a_type_conflict_is_reported_by_symbol_and_the_lines_are_kept(
        self, fake: FakeInflux, store: InfluxBarStore
    ) -> None:
        fake.buckets["hot"].types["ohlcv_1m", "volume"] = "integer"
        report = await store.write(MINUTES, DAY)
        assert report.written == 0
        assert {(r.symbol, r.bars) for r in report.refused} == {("1301", 327), ("285A", 327), ("7203", 327)}
        assert "field type conflict" in report.refused[0].reason
        assert [kept["line"] for kept in kept_lines(store)] == lines_of(fake)[0]

    async def test_only_those_that_are_missing_count_as_refused(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        fake.buckets["hot"].oldest_us = int(at(JUNE_2, 100).timestamp()) * 1_000_000
        report = await store.write(MINUTES, DAY)
        assert (report.written, {(r.symbol, r.bars) for r in report.refused}) == (
            981 - 300,
            {("1301", 100), ("285A", 100), ("7203", 100)},
        )
        assert_frame_equal(await held(store), DAY.filter(pl.col("opened_at") >= at(JUNE_2, 100)))
        assert {kept["bucket"] for kept in kept_lines(store)} == {"hot"}
        assert len(kept_lines(store)) == 300

    async def test_refused_rows_beyond_those_named_are_found(self, fake: FakeInflux, tmp_path: Path) -> None:
        store = make_store(InfluxTarget(fake.url, TOKEN, api=InfluxApi.V3), BUCKETS, tmp_path / "refused.jsonl")
        fake.is_all_or_nothing = True
        fake.buckets["hot"].oldest_us = int(at(JUNE_2, 100).timestamp()) * 1_000_000
        report = await store.write(MINUTES, DAY)
        assert report.written == fake.buckets["hot"].count() == 981 - 300
        assert len(fake.writes) == 4
        assert {kept["reason"] for kept in kept_lines(store)} == {"points beyond retention policy"}
        await store.close()

    async def test_an_answer_of_some_were_refused_after_all_were_taken_refuses_nothing(
        self, fake: FakeInflux, store: InfluxBarStore
    ) -> None:
        def take_and_complain(request: Request) -> Response:
            fake.write(request)
            return Response(400, b'{"message":"partial write: dropped=0"}')

        fake.faults = [take_and_complain]
        assert await store.write(MINUTES, DAY) == WriteReport(written=981)
        assert kept_lines(store) == []

    async def test_a_full_file_of_refused_lines_changes_no_count(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        file = store.writer.refused_lines
        file.path.mkdir()
        fake.buckets["hot"].types["ohlcv_1m", "volume"] = "integer"
        report = await store.write(MINUTES, DAY.head(3))
        assert report.refused == (RefusedBars("1301", 3, report.refused[0].reason),)

    async def test_rows_for_quarantine_are_there_or_among_the_refused_lines(
        self, fake: FakeInflux, store: InfluxBarStore
    ) -> None:
        fake.buckets["hot"].oldest_us = 1
        rows = refused(
            ("72, =03", at(JUNE_2), 1.0, None, -3.0, 4.0, 5.0, "bad_volume"),
            ("7203", None, 1.0, 2.0, 3.0, 4.0, 5.0, "no_time"),
        )
        await store.quarantine(MINUTES, rows)
        held = fake.buckets["hot"].points
        assert [dict(tags)["symbol"] for _, tags in held if held[_, tags]] == ["72, =03"]
        (kept,) = kept_lines(store)
        assert "symbol=7203" in kept["line"]


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "retryable", "text"),
        [
            (500, True, "answered 500"),
            (502, True, "answered 502"),
            (200, False, "answered 200"),
            (302, False, "answered 302"),
            (404, False, "answered 404 for bucket 'hot'"),
        ],
    )
    async def test_an_answer_that_takes_nothing_is_an_error(
        self, fake: FakeInflux, store: InfluxBarStore, status: int, *, retryable: bool, text: str
    ) -> None:
        fake.faults = [answer(status, b"no", Location="http://127.0.0.1:1/")]
        with pytest.raises(StoreError, match=text) as error:
            await store.write(MINUTES, DAY)
        assert error.value.retryable is retryable
        assert len(fake.writes) == 1

    @pytest.mark.parametrize(("hang_ups", "writes"), [(1, 2), (2, 3)])
    async def test_a_lost_answer_loses_and_doubles_nothing(
        self, fake: FakeInflux, store: InfluxBarStore, hang_ups: int, writes: int
    ) -> None:
        def take_and_hang_up(request: Request) -> Response:
            fake.write(request)
            return Response(None)

        fake.faults = [take_and_hang_up] * hang_ups
        if hang_ups > 1:  # of one on a kept connection nobody hears: it goes out again on a new one
            with pytest.raises(StoreError, match="the connection broke") as error:
                await store.write(MINUTES, DAY)
            assert error.value.retryable
        assert await store.write(MINUTES, DAY) == WriteReport(written=981)
        assert (fake.buckets["hot"].count(), len(fake.writes)) == (981, writes)

    async def test_an_unknown_bucket_is_named(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        del fake.buckets["hot"]
        with pytest.raises(StoreError, match="bucket 'hot': database not found") as error:
            await store.write(MINUTES, DAY)
        assert not error.value.retryable

    async def test_a_dead_server_is_worth_another_try(self, tmp_path: Path) -> None:
        url = f"http://127.0.0.1:{free_port()}"
        store = make_store(InfluxTarget(url, TOKEN, ORG), BUCKETS, tmp_path / "refused.jsonl")
        with pytest.raises(StoreError, match=f"InfluxDB at {url}: could not connect: ") as error:
            await store.write(MINUTES, DAY)
        assert error.value.retryable
        await store.close()

    async def test_a_refused_token_is_never_shown(
        self, fake: FakeInflux, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        wrong = "wr0ng-t0ken"
        store = make_store(InfluxTarget(fake.url, wrong, ORG), BUCKETS, tmp_path / "refused.jsonl")
        with pytest.raises(StoreError, match="refused the token with 401: unauthorized: Token …") as error:
            await store.write(MINUTES, DAY)
        assert not error.value.retryable
        assert wrong not in repr(store) + repr(error.value) + "".join(capfd.readouterr())
        await store.close()

    async def test_a_symbol_cannot_ask_for_more_than_its_bars(self, fake: FakeInflux, tmp_path: Path) -> None:
        store = make_store(InfluxTarget(fake.url, TOKEN, ORG), BUCKETS, tmp_path / "refused.jsonl")
        await store.read(MINUTES, "x' OR 'a'='a", start=at(JUNE_2), end=at(JUNE_2, 1))
        assert r"""("symbol" = 'x\' OR \'a\'=\'a') AND time""" in fake.queries[-1]
        await store.close()

    async def test_a_symbol_too_long_to_ask_for_has_no_bars(self, fake: FakeInflux, tmp_path: Path) -> None:
        store = make_store(InfluxTarget(fake.url, TOKEN, ORG), BUCKETS, tmp_path / "refused.jsonl")
        await store.write(MINUTES, DAY)
        found = await store.read(MINUTES, "7203" * 1_000, start=at(JUNE_2), end=at(JUNE_2, 1))
        assert found.is_empty()
        assert len(fake.queries[-1]) < 500
        await store.close()


class TestAnswers:
    async def test_they_are_points_of_their_own_beside_the_bars(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        await store.write(MINUTES, DAY)
        told = build_fetch_log(DAY, ["7203", "1301", "9999"], [JUNE_2], NOW)
        await store.save_fetch_log(MINUTES, told)
        await store.save_fetch_log(MINUTES, told)
        assert lines_of(fake)[-1][-1] == (
            f"asked_1m,currency=JPY,exchange=TSE,source=synthetic,symbol=9999 bars=0i,at={int(NOW.timestamp() * 1e6)}i "
            f"{int(at(JUNE_2).timestamp())}"
        )
        assert_frame_equal(await store.load_fetch_log(MINUTES, first=JUNE_2, last=JUNE_2), told)
        assert (await store.load_fetch_log(DAILY, first=JUNE_2, last=JUNE_2)).is_empty()
        assert_frame_equal(await held(store), DAY)

    async def test_the_newest_counts(self, store: InfluxBarStore) -> None:
        for hours, symbols in ((0, ["7203"]), (1, ["7203", "1301"])):
            await store.save_fetch_log(MINUTES, build_fetch_log(DAY, symbols, [JUNE_2], NOW + timedelta(hours=hours)))
        found = await store.load_fetch_log(MINUTES, first=JUNE_2, last=JUNE_2)
        assert found["asked_at"].to_list() == [NOW + timedelta(hours=1)] * 2

    async def test_those_beyond_the_retention_are_let_go(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        fake.buckets["hot"].oldest_us = int(at(JUNE_2).timestamp() * 1e6) + 1
        await store.save_fetch_log(MINUTES, build_fetch_log(DAY, ["7203"], [JUNE_2], NOW))
        assert (await store.load_fetch_log(MINUTES, first=JUNE_2, last=JUNE_2)).is_empty()
