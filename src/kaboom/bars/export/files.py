"""Exporting bars to files, each replaced in one step, so that readers see the old or the new one."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from kaboom.bars.actions.adjustment import Adjustment
from kaboom.bars.export.encode import UTC_FORMAT, escape_formulas, label_rows, sink_parquet
from kaboom.bars.export.formats import Format
from kaboom.bars.export.plan import PlannedFile
from kaboom.bars.many import read_many
from kaboom.bars.store import BarReader
from kaboom.drivers.disk import make_folders, sync
from kaboom.drivers.drafts import Draft, sweep_drafts
from kaboom.drivers.handover import hand_over
from kaboom.drivers.stop import ShouldStop, Stopped, check_stop, never
from kaboom.market.bar import empty_bars

#: Rows between two checks for a stop while they are written: about 0.1 s of CSV.
_STREAM_ROWS = 50_000
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
    adjustment: Adjustment | None = None,
    should_stop: ShouldStop = never,
) -> list[ExportedFile]:
    """Write the planned files, sorted by session, then symbol, then time.

    Columns: provider, interval, and those of `BAR_SCHEMA`; for adjusted bars also action_set, the digest of the
    adjustment. At most three sessions (three years of daily bars) are in memory, however long the span. If
    `should_stop` turns true, it ends early; the current file, and those after it, are unchanged.

    Raises:
        StoreError: the store cannot be read; the current file, and those after it, are unchanged.

    """
    written: list[ExportedFile] = []
    for plan in planned:
        by = adjustment if plan.selection.prices else None
        task = _Task(plan, by, on_progress, should_stop, sum(file.bars for file in written))
        try:
            written.append(await _export(store, task))
        except Stopped:
            break
    return written


@dataclass(frozen=True, slots=True)
class _Task:
    """A file to write, the adjustment of its bars, the callbacks, and the bars of the files before it."""

    plan: PlannedFile
    adjustment: Adjustment | None
    on_progress: OnProgress
    should_stop: ShouldStop
    before: int

    @property
    def labels(self) -> dict[str, str]:
        series = self.plan.selection.series
        labels = {"provider": series.source, "interval": series.interval.value}
        return labels if self.adjustment is None else labels | {"action_set": self.adjustment.digest}

    def finish(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of the file: adjusted and labelled."""
        return label_rows(rows if self.adjustment is None else self.adjustment.apply(rows), self.labels)


async def _export(store: BarReader, task: _Task) -> ExportedFile:
    draft = await asyncio.to_thread(_open_draft, task.plan.path)
    try:
        return await hand_over(_read(store, task), partial(_write, task, draft.folder / "whole"))
    finally:
        await asyncio.to_thread(draft.close)


def _open_draft(path: Path) -> Draft:
    make_folders(path.parent)
    sweep_drafts(path.parent)
    return Draft.open(path)


async def _read(store: BarReader, task: _Task) -> AsyncGenerator[pl.DataFrame]:
    """Yield the bars of a file, some sessions at a time, in its order."""
    bars = task.before
    async for rows in read_many(store, task.plan.selection.wanted):
        check_stop(task.should_stop)
        bars += rows.height
        task.on_progress(bars)
        yield rows


def _write(task: _Task, whole: Path, parts: Iterator[pl.DataFrame]) -> ExportedFile:
    """Write the parts as one file, and move it into place."""
    counts, path = list[int](), task.plan.path
    rows = register_io_source(lambda *_: _stream(task, parts, counts), schema=task.finish(empty_bars()).schema)
    if task.plan.form is Format.CSV:
        escape_formulas(rows).sink_csv(whole, datetime_format=UTC_FORMAT)
    elif task.plan.form is Format.ARROW:
        rows.sink_ipc(whole, compat_level=pl.CompatLevel.oldest())
    else:
        sink_parquet(rows, whole)
    check_stop(task.should_stop)
    sync(whole)
    size = whole.stat().st_size
    whole.replace(path)
    for old in task.plan.replaces:
        old.unlink(missing_ok=True)
    sync(path.parent)
    return ExportedFile(path, sum(counts), size)


def _stream(task: _Task, parts: Iterator[pl.DataFrame], counts: list[int]) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file as polars asks for them, with a check for a stop between two slices; count the bars."""
    for part in parts:
        counts.append(part.height)
        for some in task.finish(part).iter_slices(_STREAM_ROWS):
            check_stop(task.should_stop)
            yield some
