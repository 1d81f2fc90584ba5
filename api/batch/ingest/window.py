"""Some symbols over some sessions: asked for, checked, written, and judged."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl
import structlog

from batch.bars.actions.store import ActionStore
from batch.bars.quality.screen import Checked, QualityContext, check_bars
from batch.bars.store import BarStore, Correction, RefusedBars, WriteReport
from batch.errors import StoreDamaged, StoreError
from batch.ingest.absent import find_absent
from batch.ingest.actions import gather_notes
from batch.ingest.fetch import fetch_all
from batch.ingest.notes import Answer, log_refusals, note_asked
from batch.ingest.plan import IngestChunk
from batch.ingest.repeats import flag_repeats_of_stored
from batch.ingest.unfinished import drop_unfinished
from batch.kit.clock import Clock
from batch.market.bar import BarSeries, empty_bars
from batch.market.history import ListingHistory
from batch.market.listing import Market
from batch.market.outcome import Outcome, SymbolOutcome
from batch.providers.base import BarProvider, BarRequest, FetchedBars

_log = structlog.get_logger(__name__)

_WRITE_ATTEMPTS = 3
#: A store that wants a longer pause than this has waited already, and is not asked again for the same slice.
_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class IngestTools:
    """What running a chunk needs.

    `history` tells which symbols need not be asked for; None where the provider says itself who was listed.
    `waits_for_store` has a write that failed because the store is away raise its StoreError, for a caller that hands
    the chunk back; else its symbols are `write_failed`.
    `patience_s` is how long it may wait in all for a provider that wants a pause, `correction_lines` how many
    corrected bars it logs one by one.
    """

    provider: BarProvider
    store: BarStore
    actions: ActionStore
    market: Market
    topix500: frozenset[str]
    clock: Clock
    history: ListingHistory | None = None
    fetch_attempts: int = 3
    patience_s: float = 0.0
    waits_for_store: bool = False
    correction_lines: int = 10


@dataclass(frozen=True, slots=True)
class Window:
    """What became of some symbols over some sessions: an outcome for each, counts, and some corrected bars."""

    outcomes: dict[str, SymbolOutcome]
    counts: Mapping[str, int]
    corrections: Sequence[Correction]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a provider answered for some symbols over some sessions, when it was asked, and who was not asked for."""

    part: IngestChunk
    at: datetime
    fetched: FetchedBars
    absent: Mapping[str, SymbolOutcome]


async def ask_window(part: IngestChunk, tools: IngestTools) -> Asked:
    """Ask for some symbols over some sessions.

    Raises:
        RateLimited: the provider wants to be left alone, no longer than `tools.patience_s`.

    """
    absent = find_absent(tools.history, part.symbols, part.sessions)
    request = BarRequest(tuple(s for s in part.symbols if s not in absent), part.interval, part.sessions)
    at = tools.clock()
    fetched = await fetch_all(tools.provider, request, attempts=tools.fetch_attempts, patience_s=tools.patience_s)
    return Asked(part, at, fetched, absent)


async def settle_window(asked: Asked, tools: IngestTools) -> Window:
    """Check and write what was answered, and say what became of every symbol.

    Raises:
        StoreError: the store cannot be read; or, with `tools.waits_for_store`, it is away or full.

    """
    part, fetched = asked.part, asked.fetched
    series = BarSeries(tools.provider.name, part.interval)
    late = tools.provider.capabilities.delay
    raw = drop_unfinished(fetched.bars, part, delay=late, now=asked.at) if tools.market.is_tse else fetched.bars
    nothing: dict[str, float] = {}
    closes = await _unless_damaged(
        lambda: tools.store.last_closes(series, part.symbols, before=part.sessions[0]), nothing, check="previous closes"
    )
    context = QualityContext(
        market=tools.market,
        interval=part.interval,
        sessions=part.sessions,
        symbols=frozenset(part.symbols),
        now=tools.clock(),
        topix500=tools.topix500,
        previous_closes=closes,
    )
    # Beside the loop, so that heartbeats go on.
    checked = await asyncio.to_thread(check_bars, raw, context)
    if tools.market.is_tse:
        checked = await _unless_damaged(
            lambda: flag_repeats_of_stored(checked, tools.store, series, session=part.sessions[0]),
            checked,
            check="repeats of the session before",
        )
    notes = gather_notes(fetched.actions, checked, context=context)
    writing = await _write(tools, series, checked, notes)
    outcomes = _settle(part.symbols, {**fetched.outcomes, **asked.absent}, checked, writing)
    log_refusals(outcomes)
    await note_asked(tools.store, series, answer=Answer(part, asked.at, checked.bars), outcomes=outcomes)
    return Window(outcomes, _count_events(checked, writing, notes), writing.report.corrections)


def _count_events(checked: Checked, writing: "_Writing", notes: pl.DataFrame) -> dict[str, int]:
    counts = {f"flag_{name}": n for name, n in checked.flags.items()}
    if notes.height:
        counts |= {f"actions_{state}": n for state, n in notes["state"].value_counts().rows()}
    counts["quarantined"] = checked.quarantined.height
    counts["refused_by_store"] = sum(refused.bars for refused in writing.refused.values())
    counts["corrected"] = writing.report.corrected
    return {name: n for name, n in counts.items() if n}


@dataclass(frozen=True, slots=True)
class _Writing:
    """What became of a write: a failure of all of it, or the symbols of which the store refused bars."""

    failure: str = ""
    refused: Mapping[str, RefusedBars] = field(default_factory=dict)
    report: WriteReport = field(default=WriteReport(0))


async def _write(tools: IngestTools, series: BarSeries, checked: Checked, notes: pl.DataFrame) -> _Writing:
    """Write corporate actions, bars and refused rows; actions first, so that no bars are held without theirs."""
    report, store = WriteReport(0), tools.store
    try:
        if notes.height:
            await _patiently(lambda: tools.actions.save(series.source, notes))
        if checked.bars.height:
            report = await _patiently(lambda: store.write(series, checked.bars))
        if checked.quarantined.height:
            await _patiently(lambda: store.quarantine(series, checked.quarantined))
    except StoreError as e:
        if tools.waits_for_store and _may_help(e):
            raise
        return _Writing(failure=e.message)
    return _Writing(refused={bars.symbol: bars for bars in report.refused}, report=report)


async def _patiently[T](call: Callable[[], Awaitable[T]]) -> T:
    """Call a store, again where it says that this may help."""
    for attempt in range(1, _WRITE_ATTEMPTS):
        try:
            return await call()
        except StoreError as e:
            if not _may_help(e):
                raise
            await asyncio.sleep(0.2 * attempt)
    return await call()


def _may_help(error: StoreError) -> bool:
    """Return whether the same call may succeed later; a store that asks for a long pause wants less, not later."""
    return error.retryable and (error.retry_after_s or 0.0) <= _LONGEST_PAUSE_S


async def _unless_damaged[T](call: Callable[[], Awaitable[T]], otherwise: T, *, check: str) -> T:
    """Read stored bars for a check of the new ones; where they are damaged the check is left out, and logged."""
    try:
        return await _patiently(call)
    except StoreDamaged as e:
        _log.warning("check_left_out", check=check, reason=e.message)
        return otherwise


def _settle(
    symbols: Sequence[str], said: Mapping[str, SymbolOutcome], checked: Checked, writing: _Writing
) -> dict[str, SymbolOutcome]:
    written = _count_rows(checked.bars if checked.bars.height else empty_bars())
    refused = _refusals(checked.quarantined)
    return {
        symbol: _judge(symbol, said, written.get(symbol, 0), refused.get(symbol, ""), writing) for symbol in symbols
    }


def _judge(symbol: str, said: Mapping[str, SymbolOutcome], rows: int, refusal: str, writing: _Writing) -> SymbolOutcome:
    if writing.failure and (rows or refusal):
        return SymbolOutcome(symbol, Outcome.WRITE_FAILED, message=writing.failure)
    if symbol in writing.refused:
        lost = writing.refused[symbol]
        message = f"the store refused {lost.bars} of {rows} bars: {lost.reason}"
        return SymbolOutcome(symbol, Outcome.WRITE_FAILED, rows=rows - lost.bars, message=message)
    if rows and symbol in said and not said[symbol].outcome.is_fine:
        # Some bars came and more were to come.
        return replace(said[symbol], rows=rows)
    if rows:
        return SymbolOutcome(symbol, Outcome.OK, rows=rows)
    if refusal:
        return SymbolOutcome(symbol, Outcome.INVALID, message=f"every row was refused: {refusal}")
    # A symbol whose rows were all empty traded nothing.
    return said.get(symbol, SymbolOutcome(symbol, Outcome.NO_TRADES))


def _count_rows(bars: pl.DataFrame) -> dict[str, int]:
    # Checked bars are sorted by symbol, so that its runs are the groups, at a third of the cost of `group_by`.
    runs = bars["symbol"].rle().struct
    return dict(zip(runs.field("value").to_list(), runs.field("len").to_list(), strict=True))


def _refusals(quarantined: pl.DataFrame) -> dict[str, str]:
    if not quarantined.height:
        return {}
    reasons = quarantined.group_by("symbol").agg(pl.col("reason").unique().sort().str.join(", "))
    return dict(reasons.rows())
