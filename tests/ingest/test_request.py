"""What may be asked of a daily ingest, and what is said of what may not."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.errors import InvalidRequest
from kaboom.ingest.request import MAX_CHUNK_SIZE, BackfillRequest, IngestRequest
from kaboom.market.bounds import DEFAULT_CHUNK_SIZE, MAX_LOOKBACK, MAX_SYMBOLS
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.providers.registry import provider_names

SYMBOLS = st.lists(st.sampled_from(["7203", "6758", "285A", "25935"]), unique=True).map(tuple)
REQUESTS = st.builds(
    IngestRequest,
    intervals=st.dictionaries(st.sampled_from(Interval), st.integers(1, MAX_LOOKBACK), min_size=1),
    market=st.sampled_from([market for market in Market if market is not Market.INDEX]),
    chunk_size=st.integers(1, MAX_CHUNK_SIZE),
    symbols=st.none() | SYMBOLS.filter(bool),
    provider=st.none() | st.sampled_from(["synthetic", "file"]),
    session=st.none() | st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    only=st.none() | st.dictionaries(st.sampled_from(Interval), SYMBOLS.filter(bool)),
)


@given(REQUESTS)
def test_it_comes_back_from_json(request_: IngestRequest) -> None:
    assert IngestRequest.parse(request_.to_json()) == request_


def test_the_documented_example() -> None:
    values = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500}
    request = IngestRequest.parse(values)
    assert request == IngestRequest(intervals={Interval.M1: 1}, market=Market.TSE_PRIME, chunk_size=500)
    assert request.to_json() == values


def test_defaults() -> None:
    request = IngestRequest.parse({"intervals": {"1d": 30}})
    assert (request.market, request.chunk_size, request.symbols) == (Market.TSE_PRIME, DEFAULT_CHUNK_SIZE, None)


def test_symbols_are_normalised_and_named_once() -> None:
    request = IngestRequest.parse(
        {"intervals": {"1d": 1}, "symbols": ["7203", "\uff17\uff12\uff10\uff13", "285a", "72030"]}
    )
    assert request.symbols == ("7203", "285A")


def test_a_market_of_files_has_freer_symbols() -> None:
    assert IngestRequest.parse({"intervals": {"1d": 1}, "market": "FILE", "symbols": ["spy"]}).symbols == ("SPY",)
    with pytest.raises(InvalidRequest, match="expected a TSE local code"):
        IngestRequest.parse({"intervals": {"1d": 1}, "symbols": ["SPY"]})


@pytest.mark.parametrize(
    ("change", "pointer", "message"),
    [
        ({"intervals": {}}, "/intervals", "/intervals: Dictionary should have at least 1 item after validation, not 0"),
        ({"intervals": {"7m": 1}}, "/intervals", "interval was '7m', supported are 1m, 5m, 15m, 1h, 1d"),
        ({"intervals": {"1m": 0}}, "/intervals/1m", "/intervals/1m: Input should be greater than or equal to 1"),
        ({"intervals": {"1m": -1}}, "/intervals/1m", "/intervals/1m: Input should be greater than or equal to 1"),
        (
            {"intervals": {"1m": 100_001}},
            "/intervals/1m",
            "/intervals/1m: Input should be less than or equal to 100000",
        ),
        ({"intervals": {"1m": "1"}}, "/intervals/1m", "/intervals/1m: Input should be a valid integer"),
        ({"intervals": {"1m": True}}, "/intervals/1m", "/intervals/1m: Input should be a valid integer"),
        (
            {"market": "NYSE"},
            "/market",
            "market was 'NYSE', supported are TSE_PRIME, TSE_STANDARD, TSE_GROWTH, INDEX, FILE",
        ),
        ({"chunk_size": 0}, "/chunk_size", "/chunk_size: Input should be greater than or equal to 1"),
        ({"chunk_size": 100_001}, "/chunk_size", "/chunk_size: Input should be less than or equal to 100000"),
        ({"symbols": ["no"]}, "/symbols", "symbol was 'no', expected a TSE local code such as '7203' or '285A'"),
        ({"provider": ["file"]}, "/provider", "/provider: Input should be a valid string"),
        ({"provider": {"name": "file"}}, "/provider", "/provider: Input should be a valid string"),
        (
            {"provider": "bloomberg"},
            "/provider",
            f"provider was 'bloomberg', supported are {', '.join(provider_names())}",
        ),
        (
            {"session": "2025-13-01"},
            "/session",
            "/session: was '2025-13-01', expected a date as YYYY-MM-DD",
        ),
        ({"session": "today"}, "/session", "/session: was 'today', expected a date as YYYY-MM-DD"),
        ({"only": {"7m": ["7203"]}}, "/intervals", "interval was '7m', supported are 1m, 5m, 15m, 1h, 1d"),
    ],
)
def test_errors_name_the_allowed_values(change: dict[str, Any], pointer: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        IngestRequest.parse({"intervals": {"1m": 1}} | change)
    assert (caught.value.pointer, caught.value.message) == (pointer, message)


def test_too_many_symbols_are_refused_before_they_are_read() -> None:
    with pytest.raises(InvalidRequest, match="had 4001 entries, expected at most 4000"):
        IngestRequest.parse({"intervals": {"1m": 1}, "symbols": ["?"] * (MAX_SYMBOLS + 1)})


def test_a_backfill_of_one_day_is_in_order() -> None:
    days = {"intervals": {"1m": 1}, "first": "2025-11-04", "last": "2025-11-04"}
    assert BackfillRequest.parse(days).first == date(2025, 11, 4)
    with pytest.raises(InvalidRequest, match="expected them in order"):
        BackfillRequest.parse(days | {"first": "2025-11-05"})
