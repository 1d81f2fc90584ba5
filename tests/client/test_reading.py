"""The client reads symbols as people write them, says which are near a mistaken one, and gives days and closes."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import kaboom
from kaboom.client.client import spread_closes
from kaboom.client.folder import span_of
from kaboom.client.source import Asked
from kaboom.client.symbols import Symbols, describe_unknown, to_symbols
from kaboom.client.wire import Wire
from kaboom.market.bar import BAR_SCHEMA, empty_bars
from tests.client.conftest import START, SYMBOLS
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.http_servers import Response, serving


@pytest.fixture(params=["kb", "folder", "mirror"])
def reader(request: pytest.FixtureRequest) -> kaboom.Kaboom:
    """A client of a server, of a data folder and of a mirror."""
    found: kaboom.Kaboom = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize(
    "symbols", [7203, [7203], np.array([7203]), "7203 ", "\uff17\uff12\uff10\uff13", "72030", pl.Series([7203])]
)
def test_a_code_is_read_as_people_write_it(reader: kaboom.Kaboom, symbols: Symbols) -> None:
    assert_frame_equal(
        reader.bars(symbols, start=START, adjusted=False), reader.bars("7203", start=START, adjusted=False)
    )


@pytest.mark.parametrize("symbol", ["7204", "7203.T", "7203.0", "72033", "TYO:7203", "7203,", "72o3", "7203株"])
def test_an_unknown_symbol_is_an_error_with_the_nearest(reader: kaboom.Kaboom, symbol: str) -> None:
    for symbols in (symbol, ["6758", symbol]):
        with pytest.raises(kaboom.InvalidRequest, match=r"\(nearest: 7203 トヨタ自動車"):
            reader.bars(symbols, start=START, adjusted=False)
        with pytest.raises(kaboom.InvalidRequest, match=r"\(nearest: 7203 トヨタ自動車"):
            reader.closes(symbols, start=START, adjusted=False)


def test_a_name_is_an_error_with_its_symbol(reader: kaboom.Kaboom) -> None:
    with pytest.raises(kaboom.InvalidRequest, match=r"'SONY' \(nearest: 6758 ソニーグループ\)"):
        reader.bars("sony", start=START, adjusted=False)


def test_a_listed_symbol_without_bars_is_an_error_alone_and_left_out_beside_others(reader: kaboom.Kaboom) -> None:
    with pytest.raises(kaboom.NotFound, match="no bars of 9984 are held with interval 1d"):
        reader.bars("9984", adjusted=False)
    found = reader.bars(["9984", "7203"], start=START, adjusted=False)
    assert found["symbol"].unique().to_list() == ["7203"]


def test_a_span_without_bars_of_a_held_symbol_is_empty(reader: kaboom.Kaboom) -> None:
    found = reader.bars("7203", start="2020-01-06", end="2020-02-01", adjusted=False)
    assert found.schema == pl.Schema({**BAR_SCHEMA, "date": pl.Date()})
    assert found.height == 0


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"interval": "1D"}, "interval was '1D', supported are 1m, 5m, 15m, 1h, 1d"),
        ({"symbols": ""}, "empty text"),
        ({"symbols": "7203", "market": "TSE_PRIME"}, "expected one of them"),
        ({"start": "2026-13-01"}, "start: month must be in 1..12"),
    ],
)
def test_a_mistake_is_an_error_that_names_it(reader: kaboom.Kaboom, asked: dict[str, str], expected: str) -> None:
    with pytest.raises(kaboom.InvalidRequest, match=expected):
        reader.bars(**asked, adjusted=False)  # type: ignore[arg-type]


def test_only_daily_bars_have_their_day_in_japan(kb: kaboom.Kaboom) -> None:
    daily = kb.bars("7203", start=START)
    calendar = kb.calendar(daily["date"][0], daily["date"][-1])
    assert daily["date"].to_list() == calendar["session"].to_list()
    assert kb.indicators("7203", ["sma:5"], start=START).columns[-2:] == ["date", "sma_5"]
    kb.submit("ingest.run_daily", intervals={"1m": 1}, symbols=["7203"]).wait(timeout_s=120)
    assert kb.bars("7203", "1m").schema == BAR_SCHEMA


def test_closes_are_the_bars_with_a_column_for_each_symbol(reader: kaboom.Kaboom) -> None:
    bars = reader.bars(start=START, adjusted=False)
    pivoted = bars.pivot(on="symbol", index="date", values="close").sort("date").select("date", *SYMBOLS)
    assert pivoted.height > 30
    assert_frame_equal(reader.closes(start=START, adjusted=False), pivoted)
    assert_frame_equal(reader.closes(["7203", 6758], start=START, adjusted=False), pivoted)
    assert_frame_equal(reader.closes(market="TSE_PRIME", start=START, adjusted=False), pivoted)


def test_coroutines_get_the_same_closes(kb: kaboom.Kaboom) -> None:
    found = asyncio.run(kaboom.AsyncKaboom(kb).closes(7203, start=START))
    assert_frame_equal(found, kb.closes("7203", start=START))
    assert found.columns == ["date", "7203"]


def test_a_time_without_a_bar_is_null_in_closes() -> None:
    first = datetime(2025, 11, 4, tzinfo=UTC)
    second = first + timedelta(minutes=1)
    rows = [("6758", second, 3.0), ("7203", first, 1.0), ("7203", second, 2.0)]
    schema = {name: BAR_SCHEMA[name] for name in ("symbol", "opened_at", "close")}
    assert spread_closes(pl.DataFrame(rows, schema=schema, orient="row")).to_dict(as_series=False) == {
        "opened_at": [first, second],
        "6758": [None, 3.0],
        "7203": [1.0, 2.0],
    }


def test_closes_of_no_bars_are_an_empty_frame() -> None:
    assert spread_closes(empty_bars()).schema == pl.Schema({"opened_at": BAR_SCHEMA["opened_at"]})


def test_an_error_names_at_most_five_unknown_symbols() -> None:
    listings = pl.DataFrame({"symbol": ["7203"], "name": ["トヨタ自動車"]})
    told = describe_unknown([f"720{n}" for n in range(4, 11)], ["6758"], listings)
    assert told.count("nearest: 7203 トヨタ自動車)") == 5
    assert " and 2 more, expected" in told


def test_a_code_that_is_named_twice_is_asked_for_once() -> None:
    assert to_symbols(["285a", "285A", 7203]) == ("285A", "7203")
    assert to_symbols(None) == ()


def test_every_call_takes_a_code_as_a_number(kb: kaboom.Kaboom) -> None:
    assert kb.coverage("1d", symbols=[7203])["symbol"].unique().to_list() == ["7203"]
    assert kb.indicators(7203, ["sma:5"])["symbol"].unique().to_list() == ["7203"]
    assert kb.backtest("sma_cross", 7203, sessions=60, timeout_s=60).summary["symbols"] == 1
    assert kb.analyse([7203], analyst="rules", sessions=30, timeout_s=60)["analyses"][0]["subject"] == "7203"
    with serving(lambda request: Response(200, request.body)) as url:
        trade = kaboom.Portfolio(Wire(url, TOKEN), {"id": "a"}).trade("buy", 7203, 100, "2500", fee="55")
    assert trade == {"side": "buy", "symbol": "7203", "quantity": 100, "price": "2500", "fee": "55"}


@pytest.mark.parametrize(
    ("now", "end"), [("2025-11-04T14:59:59Z", "2025-11-04T15:00Z"), ("2025-11-04T15:00:00Z", "2025-11-05T15:00Z")]
)
def test_bars_are_read_until_the_end_of_the_day_in_japan(monkeypatch: pytest.MonkeyPatch, now: str, end: str) -> None:
    monkeypatch.setattr("kaboom.client.folder.utc_now", lambda: datetime.fromisoformat(now))
    for interval, days in (("1d", 366), ("1m", 31)):
        tonight = datetime.fromisoformat(end)
        assert span_of(Asked(interval)) == (tonight - timedelta(days=days), tonight)


def test_coverage_ends_with_the_day_in_japan(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    source = SimpleNamespace(coverage=lambda *values: asked.append(values))
    for now in ("2025-11-04T14:59:59Z", "2025-11-04T15:00:00Z"):
        monkeypatch.setattr("kaboom.drivers.clock.utc_now", lambda now=now: datetime.fromisoformat(now))
        kaboom.Kaboom(source).coverage("1m")
    spans = [(date(2025, 10, 5), date(2025, 11, 4)), (date(2025, 10, 6), date(2025, 11, 5))]
    assert asked == [("1m", *span, (), None) for span in spans]
