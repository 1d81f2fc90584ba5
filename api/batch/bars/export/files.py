"""Exporting bars to files, each replaced in one step, so that readers see the old or the new one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from batch.bars.export.encode import UTC_FORMAT, escape_formulas, label_rows
from batch.bars.export.formats import Format
from batch.bars.export.plan import Month, PlannedFile, Selection
from batch.bars.store import BarReader
from batch.kit.drafts import Draft, sweep_drafts
from batch.kit.durable import make_folders, sync
from batch.kit.stop import ShouldStop, Stopped, check_stop, never
from batch.market.adjust import adjust_bars, digest_actions
from batch.market.calendar import utc_midnight

#: Rows of a Parquet row group, about 300 symbols of a session; a reader of one symbol skips the other groups.
_ROW_GROUP = 100_000
#: Rows between two checks for a stop while parts are joined: about 0.1 s of CSV.
_STREAM_ROWS = 50_000
#: More symbols than this are read session by session, since a month of them would fill the memory.
_MOST_BY_SYMBOL = 50
#: Called from time to time with the number of bars read so far, of all files.
type OnProgress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file that was written: its path, its bars and its bytes."""

    path: Path
    bars: int
    bytes: int


async def export_files(
    store: BarReader,
    planned: Sequence[PlannedFile],
    on_progress: OnProgress = lambda _: None,
    *,
    actions: pl.DataFrame | None = None,
    should_stop: ShouldStop = never,
) -> list[ExportedFile]:
    """Write the planned files, sorted by session, then symbol, then time.

    Columns: provider, interval, and those of `BAR_SCHEMA`; for adjusted bars also action_set, a digest of the `actions`
    (in `FACTOR_SCHEMA`). Needs the memory of one session, however long the span. If `should_stop` turns true, it ends
    early; the current file, and those after it, are unchanged.

    Raises:
        StoreError: the store cannot be read; the current file, and those after it, are unchanged.

    """
    written: list[ExportedFile] = []
    for plan in planned:
        before = sum(file.bars for file in written)
        by = actions if plan.selection.is_adjusted else None
        task = _Task(plan, by, partial(_add, on_progress, before), should_stop)
        try:
            written.append(await _export(store, task))
        except Stopped:
            break
    return written


@dataclass(frozen=True, slots=True)
class _Task:
    """A file to write, the actions for its bars, and the callbacks."""

    plan: PlannedFile
    actions: pl.DataFrame | None
    on_progress: OnProgress
    should_stop: ShouldStop

    @property
    def labels(self) -> dict[str, str]:
        series = self.plan.selection.series
        labels = {"provider": series.source, "interval": series.interval.value}
        return labels if self.actions is None else labels | {"action_set": digest_actions(self.actions)}


async def _export(store: BarReader, task: _Task) -> ExportedFile:
    draft = await asyncio.to_thread(_open_draft, task.plan.path)
    labels = task.labels
    parts: list[Path] = []
    bars = 0
    try:
        for month in task.plan.months:
            async for rows in _read(store, task.plan.selection, month):
                check_stop(task.should_stop)
                parts.append(draft.folder / f"{len(parts):06}")
                adjusted = rows if task.actions is None else await asyncio.to_thread(adjust_bars, rows, task.actions)
                await asyncio.to_thread(label_rows(adjusted, labels).write_parquet, parts[-1], compression="lz4")
                bars += rows.height
                task.on_progress(bars)
        size = await asyncio.to_thread(_join, parts, draft.folder / "whole", task)
    finally:
        await asyncio.to_thread(draft.close)
    return ExportedFile(task.plan.path, bars, size)


def _open_draft(path: Path) -> Draft:
    make_folders(path.parent)
    sweep_drafts(path.parent)
    return Draft.open(path)


def _add(on_progress: OnProgress, before: int, bars: int) -> None:
    on_progress(before + bars)


async def _read(store: BarReader, selection: Selection, month: Month) -> AsyncIterator[pl.DataFrame]:
    """Yield the bars of a month, some sessions at a time, in the order of the file."""
    if not selection.symbols or len(selection.symbols) > _MOST_BY_SYMBOL:
        for session in month.sessions:
            bars = await store.read_session(selection.series, session)
            wanted = bars.filter(pl.col("symbol").is_in(selection.symbols)) if selection.symbols else bars
            yield wanted.sort("symbol", "opened_at")
        return
    start, end = utc_midnight(month.sessions[0]), utc_midnight(month.sessions[-1] + timedelta(days=1))
    frames = [await store.read(selection.series, symbol, start=start, end=end) for symbol in selection.symbols]
    yield pl.concat(frames).sort(pl.col("opened_at").dt.date(), "symbol", "opened_at")


def _join(parts: list[Path], whole: Path, task: _Task) -> int:
    """Join the parts as a stream, and move the whole file into place."""
    rows, form, path = _stream(parts, task), task.plan.form, task.plan.path
    if form is Format.CSV:
        escape_formulas(rows).sink_csv(whole, datetime_format=UTC_FORMAT)
    elif form is Format.ARROW:
        rows.sink_ipc(whole, compat_level=pl.CompatLevel.oldest())
    else:
        rows.sink_parquet(whole, compression="zstd", row_group_size=_ROW_GROUP)
    check_stop(task.should_stop)
    sync(whole)
    size = whole.stat().st_size
    whole.replace(path)
    sync(path.parent)
    return size


def _stream(parts: Sequence[Path], task: _Task) -> pl.LazyFrame:
    """Return the parts as one frame that is read part by part, with a check for a stop between two.

    A `scan_parquet` cannot be stopped, and a month of a section takes 3 to 30 s.
    """

    def read(
        _columns: list[str] | None, _predicate: pl.Expr | None, _rows: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        for part in parts:
            for some in pl.read_parquet(part).iter_slices(_STREAM_ROWS):
                check_stop(task.should_stop)
                yield some

    return register_io_source(read, schema=pl.read_parquet_schema(parts[0]))
