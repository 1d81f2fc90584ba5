"""The timeline of a job: the runs of its chunks as bars on lanes, one lane for each slot of a worker; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from kaboom.jobs.api.chunks import ChunkPage, ChunkView, PauseView, RunView

#: Height of a lane and of its bar, and of the row of pauses above the lanes, in pixels.
LANE, BAR, TOP = 22, 14, 18
#: Steps of the axis, in seconds; the first of which at most eight fit is used.
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400, 604_800)
_MOST_STEPS = 8
#: A bar narrower than this share has no room for its number.
_LEAST_FOR_TEXT = 2.2
_LEAST_WIDTH = 0.25


@dataclass(frozen=True, slots=True)
class Bar:
    """One run of a chunk; `x`, `width` and `bad` are percent of the whole time, `lane` counts from 0."""

    chunk: ChunkView
    run: RunView
    lane: int
    x: float
    width: float
    bad: float

    @property
    def y(self) -> int:
        """The upper edge of the bar."""
        return TOP + self.lane * LANE + (LANE - BAR) // 2

    @property
    def end(self) -> float:
        """The right edge of the bar."""
        return self.x + self.width

    @property
    def is_lost(self) -> bool:
        """Whether its worker stopped reporting."""
        return self.run.ending == "expired"

    @property
    def look(self) -> str:
        """The class of its area."""
        if self.is_lost:
            return "f-none"
        return "f-now" if self.run.ended_at is None else "f-ok"

    @property
    def is_wide(self) -> bool:
        """Whether there is room for the number of the chunk."""
        return self.width >= _LEAST_FOR_TEXT


@dataclass(frozen=True, slots=True)
class Timeline:
    """The parts of the chart; positions are in percent of its width.

    Attributes:
        lanes: (worker's number, slot) of each lane, from the top.
        workers: the names of the workers, by number from 1.
        bars, links: the runs, and pairs of a lost run and the next run of its chunk.
        pauses: (x, width, the API's pause) of times in which chunks waited.
        ticks: (x, seconds since the start).
        start: when the first run began.

    """

    lanes: Sequence[tuple[int, int | None]]
    workers: Sequence[str]
    bars: Sequence[Bar]
    links: Sequence[tuple[Bar, Bar]]
    pauses: Sequence[tuple[float, float, PauseView]]
    ticks: Sequence[tuple[float, int]]
    start: datetime

    @property
    def height(self) -> int:
        """The height of the lanes and what is above them, in pixels."""
        return TOP + len(self.lanes) * LANE


def build_timeline(page: ChunkPage, *, now: datetime) -> Timeline | None:
    """Return the timeline of the API's chunks of a job; None if no run is known."""
    runs = [(chunk, run) for chunk in page.items for run in chunk.runs]
    if not runs:
        return None
    start = min(run.started_at for _, run in runs)
    end = max([start, *(run.ended_at or now for _, run in runs)])
    scale = _Scale(start, max((end - start).total_seconds(), 0.1))
    places = sorted({(run.worker, run.slot or 0) for _, run in runs})
    workers = sorted({worker for worker, _ in places})
    bars = [_bar(chunk, run, places, scale, now) for chunk, run in runs]
    return Timeline(
        lanes=[(workers.index(worker) + 1, slot or None) for worker, slot in places],
        workers=workers,
        bars=bars,
        links=list(_links(bars)),
        pauses=[_pause(pause, scale, end) for pause in page.pauses if pause.begins_at < end],
        ticks=_ticks(scale),
        start=start,
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    start: datetime
    seconds: float

    def x(self, at: datetime) -> float:
        share = 100 * (at - self.start).total_seconds() / self.seconds
        return round(min(100.0, max(0.0, share)), 3)


def _bar(
    chunk: ChunkView,
    run: RunView,
    places: Sequence[tuple[str, int]],
    scale: _Scale,
    now: datetime,
) -> Bar:
    x = scale.x(run.started_at)
    end = scale.x(run.ended_at or now)
    width = max(_LEAST_WIDTH, end - x)
    bad = width * run.failed / run.settled if run.settled else 0.0
    return Bar(chunk, run, places.index((run.worker, run.slot or 0)), x, round(width, 3), round(bad, 3))


def _links(bars: Sequence[Bar]) -> Iterator[tuple[Bar, Bar]]:
    """Yield each lost run with the next run of its chunk."""
    for before, after in pairwise(bars):
        if before.is_lost and before.chunk is after.chunk:
            yield before, after


def _pause(pause: PauseView, scale: _Scale, end: datetime) -> tuple[float, float, PauseView]:
    x = scale.x(pause.begins_at)
    return x, round(scale.x(min(pause.ends_at, end)) - x, 3), pause


def _ticks(scale: _Scale) -> list[tuple[float, int]]:
    step = next((step for step in _STEPS if scale.seconds / step <= _MOST_STEPS), _STEPS[-1])
    return [(round(100 * at / scale.seconds, 3), at) for at in range(0, int(scale.seconds) + 1, step)]
