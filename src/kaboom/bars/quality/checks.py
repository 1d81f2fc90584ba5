"""The quality checks: raw rows in, storable bars and rejected rows out; every row is accounted for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kaboom.bars.quality import session_rules, soft_rules
from kaboom.bars.quality.hard_rules import REASONS, UNREADABLE, Columns, HardRuleResult, apply_hard_rules
from kaboom.bars.quality.slot_table import NO_STAMP, Ints, SlotTable, build_slot_table
from kaboom.bars.quality.soft_rules import Flags, Runs
from kaboom.bars.store import QUARANTINE_SCHEMA
from kaboom.errors import ProviderError
from kaboom.market.bar import BAR_SCHEMA, PLACE_SCHEMA, RAW_BAR_SCHEMA, VALUES, BarFlag, empty_bars
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.market.rules import Bools, Floats

#: A close that is this far from the one before, and the next one within `SPIKE_RETURN` of it again, is suspected.
SPIKE_MOVE, SPIKE_RETURN = 0.06, 0.04
#: The days of the symbol around a spike move less than this. Other symbols are not asked: which of them are checked
#: together depends on chunks and retries, and a flag must not.
CALM_MOVE = 0.02
#: As many days on each side are compared, and at least so many in all.
CALM_REACH, CALM_LEAST = 10, 10
#: A volume in another unit is 1,000 times its neighbours'; those of large shares were never more than 9 times.
VOLUME_RATIO, VOLUME_REACH, VOLUME_LEAST = 300, 5, 5


@dataclass(frozen=True, slots=True)
class QualityContext:
    """The requested symbols and sessions, and facts about them.

    Attributes:
        market: FILE switches off every rule of the TSE; INDEX those of issues: ticks, limits and splits.
        interval: length of the bars.
        sessions: the requested sessions, in any order.
        symbols: the requested symbols.
        now: aware; a bar that ends later is rejected.
        topix500: symbols with the finer ticks.
        previous_closes: last close of a symbol in the session before the first of `sessions`, if known.

    """

    market: Market
    interval: Interval
    sessions: tuple[date, ...]
    symbols: frozenset[str]
    now: datetime
    topix500: frozenset[str] = frozenset()
    previous_closes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check.

    Attributes:
        bars: storable bars in `BAR_SCHEMA`, sorted by symbol and time, unique.
        quarantined: rejected rows in `QUARANTINE_SCHEMA`, unchanged, but a missing symbol becomes `""`.
        flags: how many bars have each flag, by its lower-case name; a flag on no bar is left out.
        suspects: symbols whose bars of the first session end with the previous close.

    """

    bars: pl.DataFrame
    quarantined: pl.DataFrame
    flags: Mapping[str, int]
    suspects: tuple[session_rules.RepeatSuspect, ...] = ()


def check_bars(raw: pl.DataFrame, context: QualityContext) -> Checked:
    """Check rows in `RAW_BAR_SCHEMA`, with or without `PLACE_SCHEMA`, and return bars that can be stored.

    Hard rules reject a row; `REASONS` lists them. Soft rules flag a bar. A row without any value means that nothing
    traded; it is dropped, and so is an exact copy. Missing bars are not filled in.

    Raises:
        ProviderError: the columns or types are not those of `RAW_BAR_SCHEMA`.

    """
    if dict(raw.schema) not in (dict(RAW_BAR_SCHEMA), {**RAW_BAR_SCHEMA, **PLACE_SCHEMA}):
        raise ProviderError(f"bars had the columns {dict(raw.schema)}, expected {dict(RAW_BAR_SCHEMA)}")
    symbols = sorted(context.symbols)
    table = build_slot_table(
        sorted(set(context.sessions)), context.interval, is_tse=context.market.is_tse, now=context.now
    )
    values = tuple(raw[name].to_numpy() for name in VALUES)
    stamps = raw["opened_at"].to_physical().fill_null(NO_STAMP).to_numpy()
    judged = apply_hard_rules(_rank_symbols(raw["symbol"], symbols), stamps, values, table)
    flags, suspects = _flag(judged, context, symbols, table)
    bars = _bars(raw, judged.kept, flags)
    return Checked(bars, _quarantined(raw, judged), _count(flags), suspects)


def add_unreadable(checked: Checked, rows: pl.DataFrame) -> Checked:
    """Return the result with rows in `RAW_BAR_SCHEMA` and `PLACE_SCHEMA` that could not be read, as rejected."""
    found = rows.with_columns(reason=pl.lit(REASONS[UNREADABLE])).select(QUARANTINE_SCHEMA.names())
    return replace(checked, quarantined=pl.concat([checked.quarantined, found]))


def _rank_symbols(column: pl.Series, symbols: list[str]) -> NDArray[np.int32]:
    ranks = column.cast(pl.Enum(symbols), strict=False).to_physical().cast(pl.Int32).fill_null(-1)
    return ranks.to_numpy()


def _flag(
    judged: HardRuleResult, context: QualityContext, symbols: list[str], table: SlotTable
) -> tuple[NDArray[np.uint16], tuple[session_rules.RepeatSuspect, ...]]:
    bars, flags = judged.kept, np.zeros(judged.kept.row.size, dtype=np.uint16)
    if not flags.size:
        return flags, ()
    flags[judged.disputed] |= np.uint16(BarFlag.DUPLICATE)
    runs = soft_rules.find_runs(bars, _known_closes(symbols, context.previous_closes))
    is_index = context.market is Market.INDEX
    splits = np.zeros(runs.first.size, np.bool_) if is_index else soft_rules.flag_splits(flags, bars, runs)
    soft_rules.flag_stale(flags, bars)
    is_daily = not context.interval.is_intraday
    if not is_index:
        flag_volumes(flags, bars, is_daily=is_daily, is_of_file=not context.market.is_tse)
    if is_daily:
        flag_spikes(flags, bars, runs)
    if context.interval is Interval.M1:
        soft_rules.flag_jumps(flags, bars, table)
        soft_rules.flag_auctions(flags, bars, runs, table)
    session_rules.flag_repeats(flags, bars, runs)
    if context.market.is_section:
        if context.interval is Interval.M1:
            session_rules.flag_gaps(flags, bars, runs, table)
        soft_rules.flag_limits(flags, bars, runs, exempt=splits)
        soft_rules.flag_ticks(flags, bars, np.array([symbol in context.topix500 for symbol in symbols]))
    return flags, session_rules.find_suspects(bars, runs, symbols)


def _known_closes(symbols: list[str], closes: Mapping[str, float]) -> Floats:
    known = np.array([closes.get(symbol, np.nan) for symbol in symbols], dtype=np.float64)
    return np.where(np.isfinite(known) & (known > 0), known, np.nan)


def _bars(raw: pl.DataFrame, kept: Columns, flags: NDArray[np.uint16]) -> pl.DataFrame:
    if not kept.row.size:
        return empty_bars()
    unmoved = kept.row.size == raw.height and bool(np.all(kept.row[1:] > kept.row[:-1]))
    rows = raw if unmoved else raw[kept.row]
    return rows.with_columns(volume=pl.Series(kept.volume.astype(np.int64)), flags=pl.Series(flags)).select(
        BAR_SCHEMA.names()
    )


def _quarantined(raw: pl.DataFrame, judged: HardRuleResult) -> pl.DataFrame:
    if not judged.refused.size:
        return pl.DataFrame(schema=QUARANTINE_SCHEMA)
    reasons = pl.Series([REASONS[code] for code in judged.reasons.tolist()])
    # Stores keep rejected rows by symbol, and null cannot be a key.
    rows = raw[judged.refused].with_columns(pl.col("symbol").fill_null(""), reason=reasons)
    # Only rows of files have a file and a line.
    no_place = [pl.lit(None, kind).alias(name) for name, kind in PLACE_SCHEMA.items() if name not in rows.columns]
    return rows.with_columns(no_place).select(QUARANTINE_SCHEMA.names())


def _count(flags: NDArray[np.uint16]) -> dict[str, int]:
    counts = (
        {flag.name or "": int(np.count_nonzero(flags & np.uint16(flag))) for flag in BarFlag} if flags.any() else {}
    )
    return {name.lower(): count for name, count in counts.items() if count}


def flag_spikes(flags: Flags, bars: Columns, runs: Runs) -> None:
    """Flag daily bars whose close is far from those of the bars before and after, in a calm time."""
    close, before = bars.prices[3], runs.previous_close
    move = close / before - 1
    follows = bars.code[1:] == bars.code[:-1]
    opening, after = (np.append(np.where(follows, price[1:], np.nan), np.nan) for price in (bars.prices[0], close))
    is_back = (np.abs(opening / before - 1) <= SPIKE_RETURN) & (np.abs(after / before - 1) <= SPIKE_RETURN)
    is_far = (np.abs(move) >= SPIKE_MOVE) & is_back
    far = np.flatnonzero(is_far)
    if not far.size:
        return
    own = np.array([_median(np.abs(move[_beside(bars, row, CALM_REACH, skip=(row, row + 1))])) for row in far.tolist()])
    flags[far[own < CALM_MOVE]] |= np.uint16(BarFlag.SPIKE)


def flag_volumes(flags: Flags, bars: Columns, *, is_daily: bool, is_of_file: bool) -> None:
    """Flag bars that moved without a volume, and daily bars with a volume of another unit than their neighbours'.

    A symbol of a file may have no volume at all, as an index; it is not flagged.
    """
    moved = (bars.volume == 0) & (bars.prices[1] > bars.prices[2])
    if is_of_file and moved.any():
        traded = np.zeros(int(bars.code.max()) + 1, dtype=np.bool_)
        traded[bars.code[bars.volume > 0]] = True
        moved &= traded[bars.code]
    flags[moved] |= np.uint16(BarFlag.NO_VOLUME)
    if is_daily:
        flags[_odd_volumes(bars)] |= np.uint16(BarFlag.VOLUME_JUMP)


def _odd_volumes(bars: Columns) -> Ints:
    volume = bars.volume
    least = np.full(volume.size, np.inf)
    for step in range(1, VOLUME_REACH + 1):
        least[step:] = np.minimum(least[step:], volume[:-step])
        least[:-step] = np.minimum(least[:-step], volume[step:])
    # What is far above a median is far above the least, too.
    far = np.flatnonzero(volume >= VOLUME_RATIO * np.maximum(least, 1))
    return np.array([row for row in far.tolist() if _is_odd_volume(bars, row)], dtype=np.int64)


def _is_odd_volume(bars: Columns, row: int) -> bool:
    beside = bars.volume[_beside(bars, row, VOLUME_REACH, skip=(row,))]
    traded = beside[beside > 0]
    return traded.size >= VOLUME_LEAST and bool(bars.volume[row] >= VOLUME_RATIO * np.median(traded))


def _beside(bars: Columns, row: int, reach: int, *, skip: tuple[int, ...]) -> Ints:
    """Return the rows of the same symbol around a row."""
    rows = np.arange(max(0, row - reach), min(bars.code.size, row + reach + 1))
    is_other: Bools = (bars.code[rows] == bars.code[row]) & ~np.isin(rows, skip)
    return rows[is_other]


def _median(moves: Floats) -> float:
    known = moves[~np.isnan(moves)]
    return float(np.median(known)) if known.size >= CALM_LEAST else np.nan
