"""The quality gate: raw rows in, storable bars and refused rows out, with every row accounted for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from batch.bars.quality import soft, whole
from batch.bars.quality.grid import NO_STAMP, SlotTable, build_slot_table
from batch.bars.quality.hard import REASONS, Columns, Judged, judge_rows
from batch.bars.store import QUARANTINE_SCHEMA
from batch.errors import ProviderError
from batch.market.bar import BAR_SCHEMA, RAW_BAR_SCHEMA, VALUES, BarFlag, empty_bars
from batch.market.interval import Interval
from batch.market.rules import Floats
from batch.market.universe import Market


@dataclass(frozen=True, slots=True)
class QualityContext:
    """What was asked for, and what is known about it.

    Attributes:
        market: FILE switches off every rule of the TSE.
        interval: length of the bars.
        sessions: sessions that were asked for, any order.
        symbols: symbols that were asked for.
        now: aware; a bar that is not over by then is refused.
        topix500: symbols with the finer ticks.
        previous_closes: last close of a symbol in the session before the first of `sessions`, where known.

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
        quarantined: refused rows in `QUARANTINE_SCHEMA`, as they came; a missing symbol becomes `""`.
        flags: how many bars carry each flag, by its lower-case name; a flag on no bar is left out.
        suspects: whose bars of the first session end with the previous close.

    """

    bars: pl.DataFrame
    quarantined: pl.DataFrame
    flags: Mapping[str, int]
    suspects: tuple[whole.Suspect, ...] = ()


def check_bars(raw: pl.DataFrame, context: QualityContext) -> Checked:
    """Check rows in `RAW_BAR_SCHEMA`, in any order, and return bars fit to store.

    Hard rules refuse a row: wrong_symbol, future, closed_day, off_grid, bad_price, ohlc_order, bad_volume,
    and duplicate, where another row for the same bar came later with other values. Soft rules flag a bar. A
    row without any value means that nothing traded, and is dropped like an exact copy. Nothing is filled in.

    Raises:
        ProviderError: the frame has other columns or types than `RAW_BAR_SCHEMA`.

    """
    if dict(raw.schema) != dict(RAW_BAR_SCHEMA):
        raise ProviderError(f"bars had the columns {dict(raw.schema)}, expected {dict(RAW_BAR_SCHEMA)}")
    symbols = sorted(context.symbols)
    table = build_slot_table(
        sorted(set(context.sessions)), context.interval, is_tse=context.market.is_tse, now=context.now
    )
    values = tuple(raw[name].to_numpy() for name in VALUES)
    stamps = raw["opened_at"].to_physical().fill_null(NO_STAMP).to_numpy()
    judged = judge_rows(_rank_symbols(raw["symbol"], symbols), stamps, values, table)
    flags, suspects = _flag(judged, context, symbols, table)
    bars = _bars(raw, judged.kept, flags)
    return Checked(bars, _quarantined(raw, judged), _count(flags), suspects)


def _rank_symbols(column: pl.Series, symbols: list[str]) -> NDArray[np.int32]:
    ranks = column.cast(pl.Enum(symbols), strict=False).to_physical().cast(pl.Int32).fill_null(-1)
    return ranks.to_numpy()


def _flag(
    judged: Judged, context: QualityContext, symbols: list[str], table: SlotTable
) -> tuple[NDArray[np.uint16], tuple[whole.Suspect, ...]]:
    bars, flags = judged.kept, np.zeros(judged.kept.row.size, dtype=np.uint16)
    if not flags.size:
        return flags, ()
    flags[judged.disputed] |= np.uint16(BarFlag.DUPLICATE)
    runs = soft.find_runs(bars, _known_closes(symbols, context.previous_closes))
    splits = soft.flag_splits(flags, bars, runs)
    soft.flag_stale(flags, bars)
    if context.interval is Interval.M1:
        soft.flag_jumps(flags, bars, table)
        soft.flag_auctions(flags, bars, runs, table)
    whole.flag_repeats(flags, bars, runs)
    if context.market.is_tse:
        if context.interval is Interval.M1:
            whole.flag_gaps(flags, bars, runs, table)
        soft.flag_limits(flags, bars, runs, exempt=splits)
        soft.flag_ticks(flags, bars, np.array([symbol in context.topix500 for symbol in symbols]))
    return flags, whole.find_suspects(bars, runs, symbols)


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


def _quarantined(raw: pl.DataFrame, judged: Judged) -> pl.DataFrame:
    if not judged.refused.size:
        return pl.DataFrame(schema=QUARANTINE_SCHEMA)
    words = pl.Series([REASONS[code] for code in judged.reasons.tolist()])
    # Stores keep refused rows by symbol, and a missing one is no key.
    rows = raw[judged.refused].with_columns(pl.col("symbol").fill_null(""), reason=words)
    return rows.select(QUARANTINE_SCHEMA.names())


def _count(flags: NDArray[np.uint16]) -> dict[str, int]:
    counts = (
        {flag.name or "": int(np.count_nonzero(flags & np.uint16(flag))) for flag in BarFlag} if flags.any() else {}
    )
    return {name.lower(): count for name, count in counts.items() if count}
