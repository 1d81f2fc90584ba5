"""The adjustment of bars: which notes of corporate actions count, and their factors and dividends applied."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from kaboom.bars.actions.store import ActionReader
from kaboom.bars.store import BarReader
from kaboom.market.action import ActionKind, ActionState, kind_of
from kaboom.market.adjust import (
    DIVIDEND_SCHEMA,
    FACTOR_SCHEMA,
    adjust_bars,
    digest_actions,
    dividend_factors,
    reinvest_dividends,
)
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import utc_midnight
from kaboom.market.source import provider_of

#: The days before a dividend in which its previous close is searched for; longer than any closure of the market.
_LOOK_BACK = timedelta(days=15)
_CLOSES = pl.Schema({"symbol": pl.String(), "session": pl.Date(), "close": pl.Float64()})
#: One row per symbol, ex-session and whether it is a dividend: the note that counts.
ACTION_SCHEMA = pl.Schema(
    {
        **FACTOR_SCHEMA,
        "amount": pl.Float64(),
        "kind": pl.String(),
        "state": pl.String(),
        "noted_at": pl.Datetime("us", "UTC"),
    }
)

#: A person overrules a provider, and a provider overrules a suspicion from bars.
_RANK = {ActionState.CONFIRMED: 0, ActionState.REJECTED: 0, ActionState.REPORTED: 1, ActionState.SUSPECTED: 2}


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Adjusts bars.

    Attributes:
        actions: in `ACTION_SCHEMA`: prices are multiplied by their factors, and volumes divided.
        dividends: in `DIVIDEND_FACTOR_SCHEMA`: prices are multiplied by their factors; empty unless for total return.

    """

    actions: pl.DataFrame
    dividends: pl.DataFrame | None = None

    def apply(self, bars: pl.DataFrame) -> pl.DataFrame:
        """Return bars in `BAR_SCHEMA`, oldest first for each symbol, adjusted."""
        adjusted = adjust_bars(bars, self.actions)
        return adjusted if self.dividends is None else reinvest_dividends(adjusted, self.dividends)

    @property
    def digest(self) -> str:
        """16 hex digits that change with the actions and the dividends."""
        if self.dividends is None:
            return digest_actions(self.actions)
        applied = self.dividends.drop_nulls("factor")
        return digest_actions(pl.concat([each.select(list(FACTOR_SCHEMA)) for each in (self.actions, applied)]))


@dataclass(frozen=True, slots=True)
class Wish:
    """How to adjust: by actions with an ex-session up to `until` and, for total return, by dividends too.

    `since` is the first session of the bars; dividends with an ex-session up to it change no bar.
    """

    until: date
    since: date = date.min
    is_total_return: bool = False


async def load_adjustment(
    noted: ActionReader, bars: BarReader, series: BarSeries, symbols: Sequence[str], wish: Wish
) -> Adjustment:
    """Return the adjustment for bars of `symbols`, all if empty; rolled-up bars use the actions of their provider.

    Raises:
        StoreError: the actions, or the closes before dividends, could not be read.

    """
    notes = await noted.load(provider_of(series.source), symbols)
    actions = applied_actions(notes, until=wish.until)
    if not wish.is_total_return:
        return Adjustment(actions)
    dividends = applied_dividends(notes, until=wish.until).filter(pl.col("ex_session") > wish.since)
    return Adjustment(actions, dividend_factors(dividends, await _load_closes(bars, series, dividends)))


async def _load_closes(bars: BarReader, series: BarSeries, dividends: pl.DataFrame) -> pl.DataFrame:
    """Return raw closes of the sessions before dividends, by symbol and session."""
    spans = dividends.select("symbol", first=pl.col("ex_session") - _LOOK_BACK, last="ex_session")
    if not series.interval.is_intraday:
        # A page of daily bars holds a year, so one span per symbol costs no more; minutes would fill the memory.
        spans = spans.group_by("symbol").agg(pl.col("first").min(), pl.col("last").max())
    closes = [_read_closes(bars, series, *span) for span in spans.sort("symbol", "first").iter_rows()]
    return pl.concat([pl.DataFrame(schema=_CLOSES), *await asyncio.gather(*closes)]).unique(["symbol", "session"])


async def _read_closes(bars: BarReader, series: BarSeries, symbol: str, first: date, last: date) -> pl.DataFrame:
    found = await bars.read(series, symbol, start=utc_midnight(first), end=utc_midnight(last))
    session = pl.col("opened_at").dt.date()
    return found.group_by("symbol", session=session, maintain_order=True).agg(pl.col("close").last())


def resolve_actions(notes: pl.DataFrame) -> pl.DataFrame:
    """Return actions in `ACTION_SCHEMA` from notes in `NOTE_SCHEMA`, by symbol, then ex-session, dividends last."""
    # Earlier releases wrote "told" for "reported".
    notes = notes.with_columns(pl.col("state").replace("told", ActionState.REPORTED.value))
    rank = pl.col("state").replace_strict({s.value: n for s, n in _RANK.items()}, return_dtype=pl.Int8)
    key = ["symbol", "ex_session", "is_dividend"]
    first = notes.sort(*key, rank).unique(key, keep="first", maintain_order=True)
    found = [
        ActionKind.DIVIDEND.value if is_dividend else kind_of(factor).value
        for is_dividend, factor in first.select("is_dividend", "factor").iter_rows()
    ]
    kinds = pl.Series("kind", found, dtype=pl.String)
    return first.with_columns(kinds).select(list(ACTION_SCHEMA))


def applied_actions(notes: pl.DataFrame, *, until: date) -> pl.DataFrame:
    """Return the actions in `ACTION_SCHEMA` that adjust bars: reported or confirmed, with an ex-session up to a day."""
    return _applied(notes, until).filter(pl.col("kind") != ActionKind.DIVIDEND.value)


def applied_dividends(notes: pl.DataFrame, *, until: date) -> pl.DataFrame:
    """Return the dividends in `DIVIDEND_SCHEMA` that count: reported or confirmed, with an ex-session up to a day."""
    dividends = _applied(notes, until).filter(pl.col("kind") == ActionKind.DIVIDEND.value)
    return dividends.select(list(DIVIDEND_SCHEMA))


def _applied(notes: pl.DataFrame, until: date) -> pl.DataFrame:
    applied = [state.value for state in ActionState if state.is_applied]
    return resolve_actions(notes).filter(pl.col("state").is_in(applied) & (pl.col("ex_session") <= until))
