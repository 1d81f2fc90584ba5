"""Copying bars and everything beside them from one store to another, while others read and write both."""

import calendar
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol, runtime_checkable

import polars as pl

from kaboom.bars.actions.store import KEY as NOTE_KEY
from kaboom.bars.actions.store import ActionStore
from kaboom.bars.history import HistoricalStore
from kaboom.bars.store import BarStore
from kaboom.drivers.clock import utc_now
from kaboom.market.bar import VALUES, BarSeries
from kaboom.market.calendar import OLDEST_YEAR

_KEY = ["symbol", "opened_at"]
_CELL = ["symbol", "session"]
_ROW_KEY = ["symbol", "opened_at", "reason"]
_ALL_BITS = 2**64


@dataclass(frozen=True, slots=True)
class CopyRule:
    """How to copy.

    Attributes:
        keeps_target: whether a bar that both stores have with other values stays as the target has it, which is right
            if Kaboom writes to the target now; otherwise the source's counts.
        skips_counted: whether days with the same coverage in both stores are not compared, such as those of a copy
            that was interrupted.

    """

    keeps_target: bool
    skips_counted: bool = False


@dataclass(frozen=True, slots=True)
class SeriesCopy:
    """What was done with one series.

    Attributes:
        bars: how many bars were compared.
        skipped: how many days (years of daily bars) were not compared.
        written: how many bars the target got.
        kept: how many bars the target has with other values than the source.
        missing: how many bars the target still lacks: it refused them.
        fetches: how many entries of the fetch log the target got.
        rejected: how many rejected rows it got.
        prints: the fingerprints of the compared bars, in the source and in the target.
        history_from: the moment from which the target's bars can be read as of a moment, if the copy has set it.

    """

    series: BarSeries
    bars: int = 0
    skipped: int = 0
    written: int = 0
    kept: int = 0
    missing: int = 0
    fetches: int = 0
    rejected: int = 0
    prints: tuple[int, int] = (0, 0)
    history_from: datetime | None = None

    def is_whole(self, rule: CopyRule) -> bool:
        """Whether the target has every bar, with the source's values unless it keeps its own."""
        return self.missing == 0 and (rule.keeps_target or self.prints[0] == self.prints[1])


@runtime_checkable
class HistoryBeginner(Protocol):
    """A store that keeps replaced bars, and can be told since when it has known those of a series."""

    async def begin_history(self, series: BarSeries, moment: datetime) -> None:
        """Refuse to read a series as of an earlier moment."""
        ...


async def copy_series(
    source: BarStore, target: BarStore, series: BarSeries, rule: CopyRule, tell: Callable[[date, SeriesCopy], None]
) -> SeriesCopy:
    """Copy what the target lacks of a series, and compare what it has then; `tell` gets each day that is done.

    A copy that was interrupted goes on when it is called again. The history does not go along: of a series that the
    target did not have, earlier moments than the end of the copy cannot be read there.

    Raises:
        StoreError: a store does not answer; what was written stays.

    """
    found = SeriesCopy(series)
    is_new = isinstance(target, HistoryBeginner) and series not in await target.list_series()
    rows = await source.read_quarantine(series)
    held = await target.read_quarantine(series)
    if (lacking := rows.join(held, on=_ROW_KEY, how="anti", nulls_equal=True)).height:
        found = replace(found, rejected=await target.quarantine(series, lacking))
    if is_new:
        found = await _begin_history(target, found)
    for first, last in _spans(series):
        fetches = await _copy_fetches(source, target, series, (first, last))
        found = replace(found, fetches=found.fetches + fetches)
        days, skipped = await _list_days(source, target, series, (first, last), rule)
        found = replace(found, skipped=found.skipped + skipped)
        for begin, end in days:
            found = await _copy_days(source, target, found, (begin, end), rule)
            tell(end, found)
    return await _begin_history(target, found) if is_new else found


async def copy_actions(source: ActionStore, target: ActionStore, name: str, rule: CopyRule) -> int:
    """Copy the notes of corporate actions of a source that the target lacks; return how many."""
    notes, held = await source.load(name), await target.load(name)
    lacking = notes.join(held, on=NOTE_KEY if rule.keeps_target else notes.columns, how="anti")
    await target.save(name, lacking)
    return lacking.height


def print_bars(bars: pl.DataFrame) -> int:
    """Return a fingerprint of bars in `BAR_SCHEMA`, of 64 bits, which adds up over parts in any order."""
    columns = bars.select(pl.col("symbol").cast(pl.String), "opened_at", *VALUES, "flags")
    return int(sum(columns.hash_rows(seed=0).to_list())) % _ALL_BITS


def _spans(series: BarSeries) -> Iterator[tuple[date, date]]:
    """Yield the months of minutes, or the years of daily bars, that may hold bars."""
    for year in range(OLDEST_YEAR, utc_now().year + 2):
        if not series.interval.is_intraday:
            yield date(year, 1, 1), date(year, 12, 31)
            continue
        for month in range(1, 13):
            yield date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


async def _list_days(
    source: BarStore, target: BarStore, series: BarSeries, span: tuple[date, date], rule: CopyRule
) -> tuple[list[tuple[date, date]], int]:
    """Return what to copy of a span in one piece, first and last day, and how many pieces are skipped."""
    cells = await source.coverage(series, first=span[0], last=span[1])
    if cells.is_empty():
        return [], 0
    days = cells["session"].unique().sort()
    if rule.skips_counted:
        held = await target.coverage(series, first=span[0], last=span[1])
        days = cells.join(held, on=cells.columns, how="anti")["session"].unique().sort()
    if not series.interval.is_intraday:
        return ([span], 0) if len(days) else ([], 1)
    return [(day, day) for day in days], cells["session"].n_unique() - len(days)


async def _copy_days(
    source: BarStore, target: BarStore, found: SeriesCopy, days: tuple[date, date], rule: CopyRule
) -> SeriesCopy:
    series = found.series
    bars = await source.read_sessions(series, first=days[0], last=days[1])
    held = await target.read_sessions(series, first=days[0], last=days[1])
    lacking = bars.join(held, on=_KEY, how="anti")
    wanted = lacking if rule.keeps_target else pl.concat([lacking, _find_others(bars, held)])
    written = 0
    if wanted.height:
        written = (await target.write(series, wanted)).written
        held = await target.read_sessions(series, first=days[0], last=days[1])
    held = held.join(bars, on=_KEY, how="semi")
    ours, theirs = found.prints
    return replace(
        found,
        bars=found.bars + bars.height,
        written=found.written + written,
        kept=found.kept + _find_others(bars, held).height,
        missing=found.missing + bars.height - held.height,
        prints=((ours + print_bars(bars)) % _ALL_BITS, (theirs + print_bars(held)) % _ALL_BITS),
    )


def _find_others(bars: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Return the bars that are held with other values."""
    both = bars.join(held, on=_KEY, suffix="_held")
    differs = pl.any_horizontal(pl.col(name) != pl.col(f"{name}_held") for name in (*VALUES, "flags"))
    return both.filter(differs).select(bars.columns)


async def _copy_fetches(source: BarStore, target: BarStore, series: BarSeries, span: tuple[date, date]) -> int:
    """Copy the entries of the fetch log that are newer than the target's."""
    fetches = await source.load_fetch_log(series, first=span[0], last=span[1])
    if fetches.is_empty():
        return 0
    held = await target.load_fetch_log(series, first=span[0], last=span[1])
    both = fetches.join(held.select(*_CELL, "asked_at"), on=_CELL, how="left", suffix="_held")
    newer = both.filter(pl.col("asked_at_held").is_null() | (pl.col("asked_at_held") < pl.col("asked_at")))
    if newer.height:
        await target.save_fetch_log(series, newer.select(fetches.columns))
    return newer.height


async def _begin_history(target: BarStore, found: SeriesCopy) -> SeriesCopy:
    if not (isinstance(target, HistoryBeginner) and isinstance(target, HistoricalStore)):
        return found
    moment = utc_now()
    await target.begin_history(found.series, moment)
    return replace(found, history_from=moment)
