"""Bars to files, each written aside and moved into place, so that a reader sees the old one or the new one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path

import polars as pl

from batch.bars.encode import UTC_FORMAT, label_rows
from batch.bars.export_plan import Month, PlannedFile, Selection
from batch.bars.formats import Format
from batch.bars.store import BarStore
from batch.kit.drafts import Draft, sweep_drafts
from batch.kit.durable import make_folders, sync
from batch.market.adjust import adjust_bars, digest_actions

#: Rows of a Parquet row group: some 300 symbols of a session, so that a reader of one symbol skips the others.
_ROW_GROUP = 100_000
#: More symbols than these are picked out of whole sessions: a month of them would fill the memory.
_MOST_BY_SYMBOL = 50
#: Told now and then how many bars of all files have been read.
type OnProgress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file that was written: where, how many bars, how many bytes."""

    path: Path
    bars: int
    bytes: int


async def export_files(
    store: BarStore,
    planned: Sequence[PlannedFile],
    on_progress: OnProgress = lambda _: None,
    *,
    actions: pl.DataFrame | None = None,
) -> list[ExportedFile]:
    """Write the planned files, sorted by session, then symbol, then time.

    Columns: provider, interval, and those of `BAR_SCHEMA`; of adjusted bars also action_set, which tells by which of
    the `actions` (in `FACTOR_SCHEMA`). Takes the memory of one session, however long the span.

    Raises:
        StoreError: the store cannot be read; the file under way, and those after it, are as they were.

    """
    written: list[ExportedFile] = []
    for plan in planned:
        before = sum(file.bars for file in written)
        by = actions if plan.selection.is_adjusted else None
        written.append(await _export(store, plan, by, partial(_add, on_progress, before)))
    return written


async def _export(
    store: BarStore, plan: PlannedFile, actions: pl.DataFrame | None, on_progress: OnProgress
) -> ExportedFile:
    draft = await asyncio.to_thread(_open_draft, plan.path)
    labels = {"provider": plan.selection.series.source, "interval": plan.selection.series.interval.value}
    if actions is not None:
        labels["action_set"] = digest_actions(actions)
    parts: list[Path] = []
    bars = 0
    try:
        for month in plan.months:
            async for rows in _read(store, plan.selection, month):
                parts.append(draft.folder / f"{len(parts):06}")
                adjusted = rows if actions is None else await asyncio.to_thread(adjust_bars, rows, actions)
                await asyncio.to_thread(label_rows(adjusted, labels).write_parquet, parts[-1], compression="lz4")
                bars += rows.height
                on_progress(bars)
        size = await asyncio.to_thread(_join, parts, draft.folder / "whole", plan)
    finally:
        await asyncio.to_thread(draft.close)
    return ExportedFile(plan.path, bars, size)


def _open_draft(path: Path) -> Draft:
    make_folders(path.parent)
    sweep_drafts(path.parent)
    return Draft.open(path)


def _add(on_progress: OnProgress, before: int, bars: int) -> None:
    on_progress(before + bars)


async def _read(store: BarStore, selection: Selection, month: Month) -> AsyncIterator[pl.DataFrame]:
    """Give the bars of a month, some sessions at a time, in the order of the file."""
    if not selection.symbols or len(selection.symbols) > _MOST_BY_SYMBOL:
        for session in month.sessions:
            bars = await store.read_session(selection.series, session)
            wanted = bars.filter(pl.col("symbol").is_in(selection.symbols)) if selection.symbols else bars
            yield wanted.sort("symbol", "opened_at")
        return
    start, end = _midnight(month.sessions[0]), _midnight(month.sessions[-1] + timedelta(days=1))
    frames = [await store.read(selection.series, symbol, start=start, end=end) for symbol in selection.symbols]
    yield pl.concat(frames).sort(pl.col("opened_at").dt.date(), "symbol", "opened_at")


def _midnight(session: date) -> datetime:
    return datetime.combine(session, time(), UTC)


def _join(parts: list[Path], whole: Path, plan: PlannedFile) -> int:
    """Put the parts together as a stream, and move the whole to where it belongs."""
    rows = pl.scan_parquet(parts)
    if plan.form is Format.CSV:
        rows.sink_csv(whole, datetime_format=UTC_FORMAT)
    elif plan.form is Format.ARROW:
        rows.sink_ipc(whole, compat_level=pl.CompatLevel.oldest())
    else:
        rows.sink_parquet(whole, compression="zstd", row_group_size=_ROW_GROUP)
    sync(whole)
    size = whole.stat().st_size
    whole.replace(plan.path)
    sync(plan.path.parent)
    return size
