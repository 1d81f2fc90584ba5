"""The outcomes of symbols, from the rows of one or more days; pure."""

from collections.abc import Collection, Sequence
from datetime import date

import polars as pl

from kaboom.errors import ProviderError
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import FetchedBars

#: From this many symbols on, a day with rows of less than half of them is incomplete.
_ENOUGH_TO_TELL = 20


def traded(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the bars with trades; a day without trades is a row without values."""
    prices = ("open", "high", "low", "close")
    return bars.filter(~pl.all_horizontal(pl.col(*prices).is_null() & ((pl.col("volume") == 0).fill_null(value=True))))


def add_outcomes(symbols: Sequence[str], rows: pl.DataFrame, listed: Collection[str] = ()) -> FetchedBars:
    """Return the bars among some rows, and the outcomes of symbols without bars.

    A symbol with a row was listed. `listed` are further symbols that are known to have been listed.
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
    """Raise ProviderError for an incomplete session: it has less than half of many requested symbols.

    `what` says what the session had, such as `"10 rows"`.
    """
    if asked >= _ENOUGH_TO_TELL and found * 2 < asked:
        raise unfinished(session, what, asked=asked, found=found)


def unfinished(session: date, what: str, *, asked: int, found: int) -> ProviderError:
    """Return the error of a session whose bars J-Quants has not published completely."""
    return ProviderError(
        f"jquants: {session} had {what}, of {asked} issues asked for {found}; daily bars come at about 16:30 in Japan",
        retryable=True,
    )
