"""Mirroring all bars to files for other tools: the plan, and its chunk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kaboom.bars.export.formats import Format
from kaboom.bars.export.publish import MirrorRun, Publication, Watch, name_new_run, plan_run, publish
from kaboom.bars.history import folder_at
from kaboom.bars.store import BarStore
from kaboom.drivers.bucket import open_objects
from kaboom.drivers.clock import utc_now
from kaboom.drivers.objects import ObjectFolder
from kaboom.drivers.stop import ShouldStop, never
from kaboom.errors import InvalidRequest
from kaboom.market.outcome import Outcome, OutcomeReport, SymbolOutcome
from kaboom.market_data.request import MirrorRequest


@dataclass(frozen=True, slots=True)
class MirrorChunk:
    """The files of a run to write; as of a moment if the request names one."""

    run: MirrorRun
    as_of: datetime | None = None

    @property
    def items(self) -> tuple[str, ...]:
        """The names of the files."""
        return self.run.names

    def payload(self) -> dict[str, Any]:
        """Return the chunk without its items as JSON types."""
        return {
            "run": self.run.id,
            "now": self.run.now.isoformat(),
            "moment": self.run.moment.isoformat() if self.run.moment else None,
            "format": self.run.form.value,
            "as_of": self.as_of.isoformat() if self.as_of else None,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], items: Sequence[str]) -> "MirrorChunk":
        """Return the chunk of a `payload`."""
        now, moment, as_of = (_parse(payload.get(name)) for name in ("now", "moment", "as_of"))
        if "source" in payload:
            # A chunk of an earlier release has the months of one series.
            items, moment = [f"{payload['source']}/{payload['interval']}/{item}" for item in items], as_of
        now = now or utc_now()
        run = MirrorRun(payload.get("run") or name_new_run(now), now, tuple(items), Format(payload["format"]), moment)
        return cls(run, as_of)


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """The plan of a request: the folder of the mirror, and the files to write."""

    place: str
    chunk: MirrorChunk

    @property
    def chunks(self) -> tuple[MirrorChunk, ...]:
        """One chunk: all files are published together."""
        return (self.chunk,)

    def summary(self) -> dict[str, Any]:
        """Return the plan without its chunks as JSON types."""
        months: dict[tuple[str, str], list[str]] = {}
        for name in self.chunk.items:
            source, interval, month = name.split("/")
            months.setdefault((source, interval), []).append(month)
        files = [{"source": series[0], "interval": series[1], "months": found} for series, found in months.items()]
        return {"chunks": 1, "folder": self.place, "files": files}


def _parse(moment: str | None) -> datetime | None:
    return datetime.fromisoformat(moment) if moment else None


async def plan_mirror(request: MirrorRequest, store: BarStore, place: str, *, now: datetime) -> MirrorPlan:
    """Return the plan of a request: the newest months, and older ones whose file is missing.

    Files as of a moment go to a folder of its name below `place`, and never replace those of today.

    Raises:
        InvalidRequest: no bars are held, or none can be read as of the request's moment, or the folder has a damaged
            manifest or cannot have the format.
        StoreError: the store could not be read, or the bucket does not answer.

    """
    folder = _open(place, request.as_of)
    wish = Publication(now, request.months, request.format, request.as_of)
    run = await plan_run(store, folder, wish)
    if not run.names:
        raise InvalidRequest("nothing to mirror: no bars are held", pointer="")
    return MirrorPlan(folder.place, MirrorChunk(run, request.as_of))


async def mirror_chunk(
    chunk: MirrorChunk,
    store: BarStore,
    place: str,
    *,
    start: int = 0,
    on_progress: Callable[[OutcomeReport], None] = lambda _: None,
    should_stop: ShouldStop = never,
) -> OutcomeReport:
    """Write a chunk's files from number `start`; return the outcomes from there on, with the bars in each.

    `on_progress` gets the report so far from time to time, also within a file. If `should_stop` turns true, also within
    a file, the report ends early.

    Raises:
        Conflict: another run writes to the folder, or wrote to it since this one was planned.
        StoreError: bars cannot be read, or the bucket does not answer; the mirror is as it was.

    """
    report = OutcomeReport()

    def on_file(name: str, bars: int, size: int) -> None:
        nonlocal report
        report += OutcomeReport((SymbolOutcome(name, Outcome.OK, rows=bars),), {"bytes_written": size})
        on_progress(report)

    if start < len(chunk.items):
        watch = Watch(on_file, lambda _: on_progress(report), should_stop)
        await publish(store, _open(place, chunk.as_of), chunk.run, watch, start=start)
    return report


def _open(place: str, as_of: datetime | None) -> ObjectFolder:
    return open_objects(place if as_of is None else f"{place.rstrip('/')}/{folder_at(Path(), as_of)}")
