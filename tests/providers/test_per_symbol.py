"""Symbols asked for one by one: how many at once, and what one's fault means for the others."""

import asyncio

import polars as pl
import pytest

from kaboom.errors import ProviderError, RateLimited
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.per_symbol import SymbolAnswer, ask_each
from tests.fixtures.bars.raw_bars import raw_bar, raw_frame

pytestmark = pytest.mark.anyio

type Answer = SymbolAnswer[pl.DataFrame]
SYMBOLS = tuple(str(n) for n in range(1301, 1321))


def rows(symbol: str) -> Answer:
    return raw_frame([raw_bar(symbol, 0)])


@pytest.mark.parametrize("concurrency", [1, 3, 30])
async def test_no_more_are_asked_for_at_once_than_allowed(concurrency: int) -> None:
    under_way, most = set[str](), 0

    async def ask(symbol: str) -> Answer:
        nonlocal most
        under_way.add(symbol)
        most = max(most, len(under_way))
        await asyncio.sleep(0)
        under_way.discard(symbol)
        return rows(symbol)

    fetched = await ask_each(SYMBOLS, ask, concurrency=concurrency, join=pl.concat)
    assert most == min(concurrency, len(SYMBOLS))
    assert sorted(fetched.bars["symbol"]) == list(SYMBOLS)


async def test_a_symbol_named_twice_is_asked_for_once() -> None:
    asked: list[str] = []

    async def ask(symbol: str) -> Answer:
        asked.append(symbol)
        return rows(symbol)

    await ask_each(("7203", "6758", "7203"), ask, concurrency=2, join=pl.concat)
    assert sorted(asked) == ["6758", "7203"]


async def test_a_fault_that_may_pass_is_its_symbol_s_alone() -> None:
    async def ask(symbol: str) -> Answer:
        if symbol == "1305":
            raise ProviderError("broke off", retryable=True)
        return rows(symbol)

    fetched = await ask_each(SYMBOLS, ask, concurrency=2, join=pl.concat)
    assert fetched.bars.height == len(SYMBOLS) - 1
    assert fetched.outcomes == {"1305": SymbolOutcome("1305", Outcome.PROVIDER_ERROR, message="broke off")}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RateLimited("slow down", retry_after_s=9.0), Outcome.RATE_LIMITED),
        (ProviderError("no such key"), Outcome.PROVIDER_ERROR),
    ],
)
async def test_an_end_for_all_keeps_what_came(error: ProviderError, outcome: Outcome) -> None:
    async def ask(symbol: str) -> Answer:
        if symbol >= "1305":
            raise error
        return rows(symbol) if symbol != "1302" else SymbolOutcome(symbol, Outcome.NO_TRADES)

    fetched = await ask_each(SYMBOLS, ask, concurrency=1, join=pl.concat)
    assert fetched.bars["symbol"].to_list() == ["1301", "1303", "1304"]
    assert fetched.outcomes.pop("1302").outcome is Outcome.NO_TRADES  # type: ignore[attr-defined]
    assert {o.outcome for o in fetched.outcomes.values()} == {outcome}
    assert list(fetched.outcomes) == list(SYMBOLS[4:])


async def test_an_end_before_any_rows_is_raised_as_it_is() -> None:
    async def ask(_symbol: str) -> Answer:
        raise RateLimited("slow down", retry_after_s=9.0)

    with pytest.raises(RateLimited) as caught:
        await ask_each(SYMBOLS, ask, concurrency=5, join=pl.concat)
    assert caught.value.retry_after_s == 9
