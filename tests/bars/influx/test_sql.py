"""Questions to InfluxDB v3 in SQL: nothing but what was asked for, and true answers to what is not there."""

import io
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from kaboom.bars.influx.layout import InfluxBuckets
from kaboom.bars.influx.sql import select_bars, select_columns, select_newest
from kaboom.bars.influx.store import InfluxBarStore
from kaboom.bars.influx.target import InfluxApi, InfluxQuery, InfluxTarget
from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.store import StoreFault
from kaboom.errors import StoreError
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame, full_day, refused
from tests.fixtures.influx.fake_influx import TOKEN, FakeInflux, fake_influx
from tests.fixtures.influx.fake_influx_lines import parse_line
from tests.fixtures.influx.influx_stores import Waits, make_store
from tests.fixtures.servers.http_servers import Response

pytestmark = pytest.mark.anyio
BUCKETS = InfluxBuckets("hot", "agg", "day")
DAY = full_day(["1301", "285A", "7203"], JUNE_2).sort("symbol", "opened_at")
TAGS = "currency=JPY,exchange=TSE,source=synthetic"
OPENED_S = int(at(JUNE_2).timestamp())


@pytest.fixture
def fake() -> Iterator[FakeInflux]:
    with fake_influx(*BUCKETS.names()) as running:
        yield running


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
async def store(fake: FakeInflux, waits: Waits, tmp_path: Path) -> AsyncIterator[InfluxBarStore]:
    target = InfluxTarget(fake.url, TOKEN, api=InfluxApi.V3, language=InfluxQuery.SQL)
    made = make_store(target, BUCKETS, tmp_path / "refused.jsonl", waits=waits)
    yield made
    await made.close()


def put(fake: FakeInflux, *lines: str, bucket: str = "hot") -> None:
    """Write lines as somebody else might."""
    for line in lines:
        fake.buckets[bucket].add(parse_line(line), 1_000_000)


def answering(status: int | None, body: bytes = b"", **headers: str) -> Response:
    return Response(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


async def held(store: InfluxBarStore) -> pl.DataFrame:
    return await store.read_session(MINUTES, JUNE_2)


class TestStatements:
    def test_bars_are_asked_for_by_tags_and_time(self) -> None:
        assert select_bars(MINUTES, (0, 86_400), ["7203", "285A"]).text() == (
            'SELECT "symbol", "time", "open", "high", "low", "close", "volume", "flags" FROM "ohlcv_1m" '
            "WHERE \"currency\" = 'JPY' AND \"exchange\" = 'TSE' AND \"source\" = 'synthetic' "
            "AND \"symbol\" IN ('7203', '285A') "
            "AND \"time\" >= TIMESTAMP '1970-01-01 00:00:00' AND \"time\" < TIMESTAMP '1970-01-02 00:00:00'"
        )

    def test_names_and_values_are_quoted(self) -> None:
        text = select_newest(BarSeries("it's", Interval.M1)).text(has_flags=False)
        assert "\"source\" = 'it''s'" in text
        assert "flags" not in text
        assert select_columns("a'b").endswith("WHERE \"table_name\" = 'a''b'")

    @pytest.mark.parametrize(
        "symbol", ["x' OR 'a'='a", "x') OR ('a'='a", "x\\' OR 1=1 --", "x'; DROP TABLE y; --", '"']
    )
    async def test_a_symbol_cannot_ask_for_more_than_its_bars(
        self, fake: FakeInflux, store: InfluxBarStore, symbol: str
    ) -> None:
        await store.write(MINUTES, DAY)
        fake.queries.clear()
        assert (await store.read(MINUTES, symbol, start=at(JUNE_2), end=at(JUNE_2, 1))).is_empty()
        assert await store.last_closes(MINUTES, [symbol], before=date(2025, 6, 3)) == {}
        assert (await store.read_quarantine(MINUTES, symbol)).is_empty()
        # None was refused: that of the table that is not there alone was asked about.
        assert len(fake.queries) == 4
        assert fake.buckets["hot"].count() == DAY.height

    async def test_a_symbol_of_odd_letters_is_found(self, store: InfluxBarStore) -> None:
        odd = refused(("a'b\"c, =", at(JUNE_2), 1.0, None, -3.0, 4.0, 5.0, "it's bad"))
        assert await store.quarantine(MINUTES, odd) == 1
        assert await store.quarantine(MINUTES, odd) == 0
        assert_frame_equal(await store.read_quarantine(MINUTES, "a'b\"c, ="), odd)

    async def test_those_of_a_whole_section_are_named(self, store: InfluxBarStore) -> None:
        symbols = [f"{n:04}" for n in range(1_600)]
        bars = frame(*(bar(symbol, at(JUNE_2)) for symbol in symbols))
        await store.write(DAILY, bars)
        assert_frame_equal(await store.read_session(DAILY, JUNE_2), bars)
        assert len(await store.last_closes(DAILY, symbols, before=date(2025, 6, 3))) == 1_600


async def test_coverage_equals_the_store_in_memory(store: InfluxBarStore) -> None:
    expected = MemoryBarStore()
    days = [JUNE_2, date(2025, 6, 3)]
    for held_by in (store, expected):
        for day in days:
            await held_by.write(MINUTES, full_day(["1301", "7203"], day))
    span = {"first": days[0], "last": days[1]}
    assert_frame_equal(await store.coverage(MINUTES, **span), await expected.coverage(MINUTES, **span))


class TestWhatIsNotThere:
    async def test_a_table_before_its_first_point_is_empty(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        assert (await held(store)).is_empty()
        assert [text.split(" FROM ")[1].split()[0] for text in fake.queries] == [
            '"ohlcv_1m"',
            "information_schema.columns",
        ]

    async def test_a_point_that_comes_just_then_is_read(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        await store.write(MINUTES, DAY)
        fake.sql_faults = [lambda _: answering(500, b'{"error":"table not found"}')]
        assert_frame_equal(await held(store), DAY)

    async def test_bars_that_somebody_else_wrote_without_flags_have_none(
        self, fake: FakeInflux, store: InfluxBarStore
    ) -> None:
        put(fake, f"ohlcv_1m,{TAGS},symbol=7203 open=1,high=4,low=1,close=3,volume=100 {OPENED_S}")
        expected = frame(("7203", at(JUNE_2), 1.0, 4.0, 1.0, 3.0, 100, 0))
        assert_frame_equal(await held(store), expected)
        assert_frame_equal(await store.latest(MINUTES), expected)
        covered = await store.coverage(MINUTES, first=JUNE_2, last=JUNE_2)
        assert covered.select("symbol", "bars", "flagged", "flags").rows() == [("7203", 1, 0, 0)]
        await store.write(MINUTES, frame(bar("9984", at(JUNE_2), flags=16)))
        assert (await held(store))["flags"].to_list() == [0, 16]

    async def test_points_without_a_price_are_no_bars_and_are_reported(
        self, fake: FakeInflux, store: InfluxBarStore
    ) -> None:
        put(fake, f"ohlcv_1m,{TAGS},symbol=7203 volume=100 {OPENED_S}")
        assert (await held(store)).is_empty()
        assert (await store.coverage(MINUTES, first=JUNE_2, last=JUNE_2)).is_empty()
        await store.write(MINUTES, frame(bar("9984", at(JUNE_2))))
        assert (await held(store))["symbol"].to_list() == ["9984"]
        assert (await store.latest(MINUTES))["symbol"].to_list() == ["9984"]
        health = await store.verify()
        assert (health.bars, health.faults) == (
            1,
            (StoreFault("hot, ohlcv_1m", "1 bars lack a price or the volume"),),
        )

    async def test_a_field_of_another_type_is_reported(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        put(fake, f"ohlcv_1m,{TAGS},symbol=7203 open=1,high=4,low=1,close=3,volume=100i {OPENED_S}")
        (fault,) = (await store.verify()).faults
        assert fault.message == "field volume was of type integer, expected float: every write of it is refused"
        assert (await store.write(MINUTES, DAY)).written == 0

    async def test_tables_of_others_are_left_alone(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        put(fake, f"home,room=kitchen temp=21 {OPENED_S}", f"ohlcv_1m,room=kitchen temp=21 {OPENED_S}")
        assert await store.list_series() == ()
        assert (await held(store)).is_empty()


class TestAnswers:
    async def test_one_without_a_row_may_be_a_file_too(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        file = io.BytesIO()
        pl.DataFrame(schema={"symbol": pl.Categorical(), "time": pl.Datetime("ns")}).write_parquet(file)
        fake.sql_faults = [lambda _: answering(200, file.getvalue())]
        assert (await held(store)).is_empty()

    async def test_half_of_one_is_an_error(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        file = io.BytesIO()
        DAY.write_parquet(file)
        fake.sql_faults = [lambda _: answering(200, file.getvalue()[:2_000])]
        with pytest.raises(StoreError, match="bucket 'hot': the answer was not a complete Parquet file") as error:
            await held(store)
        assert not error.value.retryable

    async def test_a_connection_cut_off_is_an_error(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        fake.sql_faults = [lambda _: Response(200, b"PAR1" * 99, cut=8)]
        with pytest.raises(StoreError, match="the connection broke"):
            await held(store)

    @pytest.mark.parametrize(("status", "retryable"), [(400, False), (500, True)])
    async def test_what_is_refused_though_all_is_there_is_an_error(
        self, fake: FakeInflux, store: InfluxBarStore, status: int, *, retryable: bool
    ) -> None:
        await store.write(MINUTES, DAY)
        fake.queries.clear()
        body = b'{"error":"Query would exceed file limit of 432 parquet files"}'
        fake.sql_faults = [lambda _: answering(status, body), lambda _: None, lambda _: answering(status, body)]
        with pytest.raises(StoreError, match=f"answered {status}, bucket 'hot': Query would exceed") as error:
            await held(store)
        assert error.value.retryable is retryable
        assert len(fake.queries) == 3

    @pytest.mark.parametrize(
        ("status", "retryable", "text"),
        [
            (401, False, "refused the token with 401"),
            (404, False, "answered 404 for bucket 'hot'"),
            (405, False, "answered 405"),
            (502, True, "answered 502"),
            (None, True, "the connection broke"),
        ],
    )
    async def test_an_invalid_answer_is_an_error(
        self, fake: FakeInflux, store: InfluxBarStore, status: int | None, *, retryable: bool, text: str
    ) -> None:
        fake.sql_faults = [lambda _: answering(status, b'{"error":"no"}')]
        with pytest.raises(StoreError, match=text) as error:
            await held(store)
        assert error.value.retryable is retryable
        assert len(fake.queries) == 1

    async def test_a_pause_that_is_asked_for_is_taken(
        self, fake: FakeInflux, store: InfluxBarStore, waits: Waits
    ) -> None:
        await store.write(MINUTES, DAY)
        fake.sql_faults = [lambda _: answering(429, Retry_After="7")]
        assert_frame_equal(await held(store), DAY)
        assert waits.seconds == [7.0]

    async def test_a_token_that_it_repeats_is_not_shown(self, fake: FakeInflux, store: InfluxBarStore) -> None:
        fake.sql_faults = [lambda _: answering(403, f"not {TOKEN}".encode())]
        with pytest.raises(StoreError, match="refused the token with 403: not …") as error:
            await held(store)
        assert TOKEN not in str(error.value)
