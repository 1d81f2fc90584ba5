"""A window, some symbols over some sessions: fetched with retries, checked and written, an outcome for each symbol."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import islice

import numpy as np
import polars as pl
import structlog

from kaboom.bars.actions.detect import suspect_splits
from kaboom.bars.actions.store import NOTE_SCHEMA, ActionStore, Origin, build_notes
from kaboom.bars.coverage.fetch_log import build_fetch_log, keep_fetch_log
from kaboom.bars.quality.checks import Checked, QualityContext, add_unreadable, check_bars
from kaboom.bars.quality.session_rules import RepeatSuspect
from kaboom.bars.store import BarStore, Correction, WriteReport
from kaboom.drivers.clock import Clock
from kaboom.drivers.retry import backoff_s
from kaboom.errors import ProviderError, RateLimited, StoreDamaged, StoreError
from kaboom.ingest.checks import add_hints, find_not_listed
from kaboom.ingest.outcomes import Writing, find_outcomes
from kaboom.ingest.plan import IngestChunk
from kaboom.market.action import ActionState, CorporateAction
from kaboom.market.bar import RAW_BAR_SCHEMA, BarFlag, BarSeries
from kaboom.market.calendar import closes_at, previous_session, utc_midnight
from kaboom.market.listing import Market
from kaboom.market.lists.history import ListingHistory
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import BarProvider, BarRequest, FetchedBars
from kaboom.providers.watch import watched_request

#: The most reasons that are logged for one slice; the job's failures have the reason of every symbol.
_MOST_REASONS = 20
_MOST_NAMED = 10
_WRITE_ATTEMPTS = 3
_FIRST_WRITE_PAUSE_S = 0.4
#: If a store asks for a longer pause than this, its client has already waited; the slice is not tried again.
_LONGEST_WRITE_PAUSE_S = 5.0
_FLAG = "split_suspect"
_RETRYABLE = frozenset({Outcome.RATE_LIMITED, Outcome.PROVIDER_ERROR})
#: The first and the longest pause between two fetches of one slice; the caller handles longer ones.
_FIRST_FETCH_PAUSE_S, _LONGEST_FETCH_PAUSE_S = 0.5, 30.0


def log_corrections(series: BarSeries, corrections: Sequence[Correction]) -> None:
    """Log each corrected bar: open, high, low, close and volume before and after."""
    for bar in corrections:
        _log.info(
            "bar_corrected",
            provider=series.source,
            interval=series.interval.value,
            symbol=bar.symbol,
            opened_at=bar.opened_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            old=_values(bar.old),
            new=_values(bar.new),
        )


def log_refusals(outcomes: Mapping[str, SymbolOutcome]) -> None:
    """Log each reason why bars could not be stored, with its first symbols."""
    by_reason: dict[str, list[str]] = {}
    for symbol, outcome in outcomes.items():
        if outcome.outcome is Outcome.WRITE_FAILED:
            by_reason.setdefault(outcome.message, []).append(symbol)
    for reason, symbols in islice(by_reason.items(), _MOST_REASONS):
        _log.warning("write_failed", symbols=len(symbols), first_symbols=" ".join(symbols[:_MOST_NAMED]), reason=reason)


def _values(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.15g}" for value in values)


async def flag_repeats_of_stored(checked: Checked, store: BarStore, series: BarSeries, *, session: date) -> Checked:
    """Flag symbols whose bars of `session`, the first in a checked frame, equal the stored ones of the session before.

    Only suspects are read: 2 or 3 % of the symbols on an ordinary day. A suspect whose stored page is damaged is logged
    and not flagged.

    Raises:
        StoreError: the store could not be read.

    """
    if not checked.suspects:
        return checked
    before = previous_session(session)
    start = utc_midnight(before)
    repeated = []
    for suspect in checked.suspects:
        try:
            old = await store.read(series, suspect.symbol, start=start, end=start + timedelta(days=1))
        except StoreDamaged as e:
            _log.warning("check_left_out", check="repeats of the session before", reason=e.message)
            continue
        shifted = old.with_columns(pl.col("opened_at") + (session - before))
        if shifted.drop("flags").equals(checked.bars.slice(suspect.start, suspect.bars).drop("flags")):
            repeated.append(suspect)
    return _flagged(checked, repeated) if repeated else checked


def _flagged(checked: Checked, repeated: Sequence[RepeatSuspect]) -> Checked:
    flags = checked.bars["flags"].to_numpy().copy()
    for suspect in repeated:
        flags[suspect.start : suspect.start + suspect.bars] |= np.uint16(BarFlag.STALE)
    stale = int(np.count_nonzero(flags & np.uint16(BarFlag.STALE)))
    bars = checked.bars.with_columns(flags=pl.Series(flags))
    return replace(checked, bars=bars, flags={**checked.flags, "stale": stale})


_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IngestTools:
    """The tools for running a chunk.

    `history` gives the symbols that need not be fetched, unless the provider itself knows the listings; it is None
    outside the sections of the TSE. With `waits_for_store`, a write that fails because the store is unavailable raises
    StoreError, so that the caller can return the chunk; otherwise its symbols are `write_failed`. `patience_s` is the
    longest wait in all for a provider that wants a pause, `correction_lines` the most corrected bars that are logged
    one by one. `is_named` says that the request names its symbols.
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
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The result of a window: an outcome for each symbol, counts, and some corrected bars."""

    outcomes: dict[str, SymbolOutcome]
    counts: Mapping[str, int]
    corrections: Sequence[Correction]


@dataclass(frozen=True, slots=True)
class FetchedWindow:
    """The answer of a provider for a window, the time of the request, and the symbols that were not fetched."""

    part: IngestChunk
    at: datetime
    fetched: FetchedBars
    not_listed: Mapping[str, SymbolOutcome]


async def fetch_window(part: IngestChunk, tools: IngestTools) -> FetchedWindow:
    """Fetch some symbols over some sessions.

    Raises:
        RateLimited: the provider wants a pause, at most `tools.patience_s`.

    """
    history = None if tools.provider.capabilities.knows_listings else tools.history
    not_listed = find_not_listed(history, part.symbols, part.sessions)
    symbols = tuple(s for s in part.symbols if s not in not_listed)
    request = BarRequest(symbols, part.interval, part.sessions, is_named=tools.is_named)
    at = tools.clock()
    fetched = await fetch_all(tools.provider, request, attempts=tools.fetch_attempts, patience_s=tools.patience_s)
    if tools.is_named and tools.market.is_section:
        fetched = replace(fetched, outcomes=add_hints(fetched.outcomes, tools.history, part.sessions[-1]))
    return FetchedWindow(part, at, fetched, not_listed)


async def store_window(window: FetchedWindow, tools: IngestTools) -> WindowResult:
    """Check and write a fetched window, and return the outcome of every symbol.

    Raises:
        StoreError: the store cannot be read; or, with `tools.waits_for_store`, it is unavailable or full.

    """
    part, fetched = window.part, window.fetched
    series = BarSeries(tools.provider.name, part.interval)
    late = tools.provider.capabilities.delay
    raw = drop_unfinished(fetched.bars, part, delay=late, now=window.at) if tools.market.is_tse else fetched.bars
    context = QualityContext(
        market=tools.market,
        interval=part.interval,
        sessions=part.sessions,
        symbols=frozenset(part.symbols),
        previous_closes=await _read_closes(tools, series, part),
        now=tools.clock(),
        topix500=tools.topix500,
    )
    # In a thread, so that heartbeats go on.
    checked = await asyncio.to_thread(check_bars, raw, context)
    if fetched.unreadable is not None:
        checked = add_unreadable(checked, fetched.unreadable)
    if tools.market.is_tse:
        checked = await _with_retries(
            lambda: flag_repeats_of_stored(checked, tools.store, series, session=part.sessions[0])
        )
    notes = build_action_notes(fetched.actions, checked, context=context)
    writing = await _write(tools, series, checked, notes)
    outcomes = find_outcomes(part.symbols, {**fetched.outcomes, **window.not_listed}, checked, writing)
    log_refusals(outcomes)
    if fine := [symbol for symbol in part.symbols if outcomes[symbol].outcome.is_fine]:
        await keep_fetch_log(tools.store, series, build_fetch_log(checked.bars, fine, part.sessions, window.at))
    return WindowResult(outcomes, _count_events(checked, writing, notes), writing.report.corrections)


def _count_events(checked: Checked, writing: Writing, notes: pl.DataFrame) -> dict[str, int]:
    counts = {f"flag_{name}": n for name, n in checked.flags.items()}
    if notes.height:
        counts |= {f"actions_{state}": n for state, n in notes["state"].value_counts().rows()}
    counts["quarantined"] = checked.quarantined.height
    counts["refused_by_store"] = sum(refused.bars for refused in writing.refused.values())
    counts["corrected"] = writing.report.corrected
    return {name: n for name, n in counts.items() if n}


async def _write(tools: IngestTools, series: BarSeries, checked: Checked, notes: pl.DataFrame) -> Writing:
    """Write corporate actions, bars and rejected rows; actions first, so that no bars are stored without them."""
    report, store = WriteReport(0), tools.store
    try:
        if notes.height:
            await _with_retries(lambda: tools.actions.save(series.source, notes))
        if checked.bars.height:
            report = await _with_retries(lambda: store.write(series, checked.bars))
        if checked.quarantined.height:
            await _with_retries(lambda: store.quarantine(series, checked.quarantined))
    except StoreError as e:
        if tools.waits_for_store and _is_worth_retrying(e):
            raise
        return Writing(failure=e.message)
    return Writing(refused={bars.symbol: bars for bars in report.refused}, report=report)


async def _with_retries[T](call: Callable[[], Awaitable[T]]) -> T:
    """Call a store, and retry errors that a retry may fix."""
    for attempt in range(1, _WRITE_ATTEMPTS):
        try:
            return await call()
        except StoreError as e:
            if not _is_worth_retrying(e):
                raise
            await asyncio.sleep(backoff_s(attempt - 1, first_s=_FIRST_WRITE_PAUSE_S, longest_s=_LONGEST_WRITE_PAUSE_S))
    return await call()


def _is_worth_retrying(error: StoreError) -> bool:
    """Return whether a retry may succeed soon: a store that asks for a long pause is overloaded."""
    return error.retryable and (error.retry_after_s or 0.0) <= _LONGEST_WRITE_PAUSE_S


async def _read_closes(tools: IngestTools, series: BarSeries, part: IngestChunk) -> Mapping[str, float]:
    """Return the closes before a window; if they are damaged, log it: the check against them is left out."""
    try:
        return await _with_retries(lambda: tools.store.last_closes(series, part.symbols, before=part.sessions[0]))
    except StoreDamaged as e:
        _log.warning("check_left_out", check="previous closes", reason=e.message)
        return {}


def build_action_notes(
    reported: Sequence[CorporateAction], checked: Checked, *, context: QualityContext
) -> pl.DataFrame:
    """Return notes in `NOTE_SCHEMA` of the reported actions, and of splits suspected in checked bars."""
    is_suspect = _FLAG in checked.flags
    if not reported and not is_suspect:
        return pl.DataFrame(schema=NOTE_SCHEMA)
    closes, is_tse = context.previous_closes, context.market.is_tse
    suspected = suspect_splits(checked.bars, closes, is_tse=is_tse) if is_suspect else ()
    found = ((reported, Origin.PROVIDER, ActionState.REPORTED), (suspected, Origin.BARS, ActionState.SUSPECTED))
    return pl.concat([build_notes(*each, noted_at=context.now) for each in found])


def drop_unfinished(raw: pl.DataFrame, part: IngestChunk, *, delay: timedelta, now: datetime) -> pl.DataFrame:
    """Return raw rows without the bars that may still change: those that ended less than `delay` before `now` (aware).

    Yahoo returns the current minute, and the newest price as another row; both change a moment later. Nothing
    is dropped once the session has been closed for `delay`. A row that begins after `now` is left to the quality
    checks. Daily bars stay.
    """
    is_running = closes_at(part.sessions[-1]) + delay > now
    if not is_running or not part.interval.is_intraday or raw.is_empty():
        return raw
    begun = pl.col("opened_at")
    is_unfinished = (begun <= now) & (begun + timedelta(seconds=part.interval.seconds) > now - delay)
    return raw.filter(~is_unfinished.fill_null(value=False))


@dataclass(slots=True)
class _Fetched:
    """The result of all tries so far."""

    frames: list[pl.DataFrame]
    outcomes: dict[str, SymbolOutcome]
    actions: list[CorporateAction] = field(default_factory=list)
    unreadable: list[pl.DataFrame] = field(default_factory=list)
    attempts: int = 0
    retry_after_s: float = 0.0
    limited: RateLimited | None = None


async def fetch_all(
    provider: BarProvider, request: BarRequest, *, attempts: int, patience_s: float = 0.0
) -> FetchedBars:
    """Return the raw rows of a request, the outcome of every symbol without rows, and the reported actions.

    Raises:
        RateLimited: the provider wants a pause of `retry_after_s`, at most `patience_s`; fetch all again after it. If
            the pause is longer, the symbols fail.

    """
    so_far, waiting = _Fetched([], {}), request.symbols
    while waiting and so_far.attempts < attempts:
        if so_far.attempts:
            backoff = backoff_s(so_far.attempts - 1, first_s=_FIRST_FETCH_PAUSE_S, longest_s=_LONGEST_FETCH_PAUSE_S)
            await asyncio.sleep(so_far.retry_after_s + backoff)
        so_far.attempts += 1
        asked = replace(request, symbols=waiting, attempt=so_far.attempts)
        waiting = await _ask(provider, asked, so_far)
    _hand_up_pause(so_far, patience_s)
    rows = pl.concat(so_far.frames) if so_far.frames else pl.DataFrame(schema=RAW_BAR_SCHEMA)
    unreadable = pl.concat(so_far.unreadable) if so_far.unreadable else None
    return FetchedBars(rows, so_far.outcomes, so_far.actions, unreadable)


async def _ask(provider: BarProvider, request: BarRequest, so_far: _Fetched) -> tuple[str, ...]:
    """Fetch once; return the symbols to try again."""
    try:
        with watched_request(provider.name):
            fetched = await provider.fetch_bars(request)
    except ProviderError as e:
        so_far.limited = e if isinstance(e, RateLimited) else None
        outcome = Outcome.RATE_LIMITED if so_far.limited else Outcome.PROVIDER_ERROR
        _note(so_far, request.symbols, outcome, e.message)
        so_far.retry_after_s = e.retry_after_s or 0.0
        return request.symbols if e.retryable and so_far.retry_after_s <= _LONGEST_FETCH_PAUSE_S else ()
    so_far.retry_after_s, so_far.limited = 0.0, None
    so_far.frames.append(fetched.bars)
    so_far.actions += fetched.actions
    so_far.unreadable += [] if fetched.unreadable is None else [fetched.unreadable]
    answered = set(fetched.bars["symbol"].unique()) if fetched.bars.height else set()
    for symbol in answered:
        so_far.outcomes.pop(symbol, None)
    silent = [s for s in request.symbols if s not in answered and s not in fetched.outcomes]
    _note(so_far, silent, Outcome.PROVIDER_ERROR, "the provider returned neither bars nor a reason")
    for symbol, said in fetched.outcomes.items():
        _note(so_far, [symbol], said.outcome, said.message)
    return tuple(s for s in request.symbols if s in so_far.outcomes and so_far.outcomes[s].outcome in _RETRYABLE)


def _hand_up_pause(so_far: _Fetched, patience_s: float) -> None:
    """Raise RateLimited if the last try ended with a pause that is at most `patience_s`."""
    if so_far.limited is None:
        return
    # After several tries the pause is at least 30 s, even if the provider names a shorter one.
    pause_s = max(so_far.retry_after_s, _LONGEST_FETCH_PAUSE_S)
    if pause_s <= patience_s:
        raise RateLimited(so_far.limited.message, retry_after_s=pause_s) from so_far.limited


def _note(so_far: _Fetched, symbols: Sequence[str], outcome: Outcome, message: str) -> None:
    for symbol in symbols:
        so_far.outcomes[symbol] = SymbolOutcome(symbol, outcome, message=message, attempts=so_far.attempts)
