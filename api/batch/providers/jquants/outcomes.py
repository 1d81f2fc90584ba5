"""What became of symbols, judged by the rows of a day or more; pure."""

from collections.abc import Collection, Sequence
from datetime import date

import polars as pl

from batch.errors import ProviderError
from batch.market.outcome import Outcome, SymbolOutcome
from batch.providers.base import FetchedBars

#: Of so many symbols at least half are in a day of all issues, or the day is not whole.
_ENOUGH_TO_TELL = 20


def traded(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the bars that tell of a trade: a day without one is a row without values."""
    prices = ("open", "high", "low", "close")
    return bars.filter(~pl.all_horizontal(pl.col(*prices).is_null() & ((pl.col("volume") == 0).fill_null(value=True))))


def add_outcomes(symbols: Sequence[str], rows: pl.DataFrame, listed: Collection[str] = ()) -> FetchedBars:
    """Return the bars among some rows, and what became of symbols without: a row tells that one was listed.

    `listed` are symbols that are known to have been, whether they have rows or not.
    """
    bars = traded(rows)
    known, brought = {*rows["symbol"], *listed}, set(bars["symbol"])
    outcomes = {
        symbol: SymbolOutcome(symbol, Outcome.NO_TRADES if symbol in known else Outcome.NOT_LISTED)
        for symbol in symbols
        if symbol not in brought
    }
    return FetchedBars(bars, outcomes)


def expect_whole(session: date, what: str, *, asked: int, found: int) -> None:
    """Raise ProviderError for a session that is not whole: of many issues asked for it has less than half.

    `what` says what the session had, such as `"10 rows"`.
    """
    if asked >= _ENOUGH_TO_TELL and found * 2 < asked:
        raise unfinished(session, what, asked=asked, found=found)


def unfinished(session: date, what: str, *, asked: int, found: int) -> ProviderError:
    """Return the error of a session that J-Quants has not finished."""
    return ProviderError(
        f"jquants: {session} had {what}, of {asked} issues asked for {found}; daily bars come at about 16:30 in Japan",
        retryable=True,
    )
