"""Mirroring all bars to files for other tools: the plan, and one chunk of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from kaboom.bars.export.files import export_files
from kaboom.bars.export.formats import Format
from kaboom.bars.export.plan import PlannedFile, Selection, newest_files, plan_folder
from kaboom.bars.history import folder_at, reader_at
from kaboom.bars.store import BarReader, BarStore
from kaboom.drivers.stop import ShouldStop, never
from kaboom.errors import InvalidRequest
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import JST, OLDEST_YEAR
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome, OutcomeReport, SymbolOutcome
from kaboom.market_data.request import MirrorRequest


@dataclass(frozen=True, slots=True)
class MirrorChunk:
    """The files of one series to write (`items`), oldest first; as of a moment if there is one.

    They are named by their months (`2025-11`), of daily bars by their years.
    """

    series: BarSeries
    form: Format
    items: tuple[str, ...]
    as_of: datetime | None = None

    def payload(self) -> dict[str, Any]:
        """Return the chunk without its items as JSON types."""
        return {
            "source": self.series.source,
            "interval": self.series.interval.value,
            "format": self.form.value,
            "as_of": self.as_of.isoformat() if self.as_of else None,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], months: Sequence[str]) -> "MirrorChunk":
        """Return the chunk of a `payload`."""
        series = BarSeries(payload["source"], Interval(payload["interval"]))
        # Chunks of earlier releases have no moment.
        moment = payload.get("as_of")
        as_of = datetime.fromisoformat(moment) if moment else None
        return cls(series, Format(payload["format"]), tuple(months), as_of)


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """The plan of a request: the folder of the mirror, and the files to write."""

    folder: Path
    chunks: tuple[MirrorChunk, ...]

    def summary(self) -> dict[str, Any]:
        """Return the plan without its chunks as JSON types."""
        files = [
            {"source": c.series.source, "interval": c.series.interval.value, "months": list(c.items)}
            for c in self.chunks
        ]
        return {"chunks": len(self.chunks), "folder": str(self.folder), "files": files}


async def plan_mirror(request: MirrorRequest, store: BarStore, folder: Path, *, now: datetime) -> MirrorPlan:
    """Return the plan of a request: the newest months, and older ones whose file is missing.

    Files as of a moment go to a folder of its name below `folder`, and never replace those of today.

    Raises:
        InvalidRequest: no bars are held, or none can be read as of the request's moment.
        StoreError: the store could not be read.

    """
    chunks, reader, folder = [], reader_at(store, request.as_of), folder_at(folder, request.as_of)
    # Bars of other exchanges may be a day ahead of Japan.
    last = now.astimezone(JST).date() + timedelta(days=1)
    for series in await store.list_series():
        selection = Selection(series, date(OLDEST_YEAR, 1, 1), last)
        files = await plan_folder(reader, selection, folder, request.format)
        newest = newest_files(files, request.months)
        wanted = [file for file in files if file in newest or not file.path.exists()]
        if wanted:
            months = tuple(file.path.stem for file in wanted)
            chunks.append(MirrorChunk(series, request.format, months, request.as_of))
    if not chunks:
        raise InvalidRequest("nothing to mirror: no bars are held", pointer="")
    return MirrorPlan(folder, tuple(chunks))


async def mirror_chunk(
    chunk: MirrorChunk,
    store: BarStore,
    folder: Path,
    *,
    start: int = 0,
    on_progress: Callable[[OutcomeReport], None] = lambda _: None,
    should_stop: ShouldStop = never,
) -> OutcomeReport:
    """Write a chunk's files from number `start`; return the outcomes from there on, with the bars in each.

    `on_progress` gets the report so far from time to time, also within a file. A file is replaced in one step; a second
    run writes the same. If `should_stop` turns true, also within a file, the report ends early.

    Raises:
        StoreError: bars cannot be read; the current file, and those after it, are unchanged.

    """
    report, reader, folder = OutcomeReport(), reader_at(store, chunk.as_of), folder_at(folder, chunk.as_of)
    for month in chunk.items[start:]:
        if should_stop():
            break
        planned = await _plan_file(chunk, reader, folder, month)
        written = await export_files(reader, planned, partial(_report, on_progress, report), should_stop=should_stop)
        if len(written) < len(planned):
            break
        bars, size = sum(file.bars for file in written), sum(file.bytes for file in written)
        report += OutcomeReport((SymbolOutcome(month, Outcome.OK, rows=bars),), {"bytes_written": size})
        on_progress(report)
    return report


def _report(on_progress: Callable[[OutcomeReport], None], report: OutcomeReport, _bars: int) -> None:
    on_progress(report)


async def _plan_file(chunk: MirrorChunk, store: BarReader, folder: Path, name: str) -> list[PlannedFile]:
    if chunk.series.interval.is_intraday:
        first = date.fromisoformat(f"{name}-01")
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    else:
        # Chunks of earlier releases name months for daily bars, too.
        first, last = date(int(name[:4]), 1, 1), date(int(name[:4]), 12, 31)
    return await plan_folder(store, Selection(chunk.series, first, last), folder, chunk.form)
