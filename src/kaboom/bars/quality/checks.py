"""The quality checks: raw rows in, storable bars and rejected rows out; every row is accounted for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kaboom.bars.quality import day_rules, session_rules, soft_rules
from kaboom.bars.quality.hard_rules import REASONS, UNREADABLE, Columns, HardRuleResult, apply_hard_rules
from kaboom.bars.quality.slot_table import NO_STAMP, SlotTable, build_slot_table
from kaboom.bars.store import QUARANTINE_SCHEMA
from kaboom.errors import ProviderError
from kaboom.market.bar import BAR_SCHEMA, PLACE_SCHEMA, RAW_BAR_SCHEMA, VALUES, BarFlag, empty_bars
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.market.rules import Floats


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
        day_rules.flag_volumes(flags, bars, is_daily=is_daily, is_of_file=not context.market.is_tse)
    if is_daily:
        day_rules.flag_spikes(flags, bars, runs)
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
    words = pl.Series([REASONS[code] for code in judged.reasons.tolist()])
    # Stores keep rejected rows by symbol, and null cannot be a key.
    rows = raw[judged.refused].with_columns(pl.col("symbol").fill_null(""), reason=words)
    known = [pl.lit(None, kind).alias(name) for name, kind in PLACE_SCHEMA.items() if name not in rows.columns]
    return rows.with_columns(known).select(QUARANTINE_SCHEMA.names())


def _count(flags: NDArray[np.uint16]) -> dict[str, int]:
    counts = (
        {flag.name or "": int(np.count_nonzero(flags & np.uint16(flag))) for flag in BarFlag} if flags.any() else {}
    )
    return {name.lower(): count for name, count in counts.items() if count}
