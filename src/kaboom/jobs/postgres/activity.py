"""The activity of queues in bins of time: items settled, jobs finished, jobs waiting."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

#: A job that starts sooner does not count as waiting.
SHORTEST_WAIT_S = 1.0
#: The bin of all times before the first bin.
BEFORE = -1


@dataclass(frozen=True, slots=True)
class ActivityQuery:
    """The activity to sum up: an owner's jobs in some queues, in `bins` bins of length `step`, the first at `since`."""

    queues: tuple[str, ...]
    owner: str
    since: datetime
    step: timedelta
    bins: int

    def bin_of(self, at: datetime) -> int:
        """Return the bin of a time; `BEFORE` if it is before the first bin."""
        return max((at - self.since) // self.step, BEFORE)


@dataclass(slots=True)
class Activity:
    """The activity of one queue, one value for each bin.

    Attributes:
        settled: items that got an outcome; `failed` of them failed.
        finished: jobs that ended, by final state.
        waiting: the highest number of jobs that waited at the same time; waits under a second do not count.

    """

    settled: list[int]
    failed: list[int]
    waiting: list[int]
    finished: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settled:
    """Items of a queue that were settled in a bin."""

    queue: str
    bin: int
    settled: int
    failed: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Jobs of a queue that ended in a bin."""

    queue: str
    bin: int
    status: str
    jobs: int


@dataclass(frozen=True, slots=True)
class Waited:
    """How the number of waiting jobs changed in a bin: its peak, and the change from start to end."""

    queue: str
    bin: int
    peak: int
    change: int


def sum_up(
    query: ActivityQuery, settled: Iterable[Settled], finished: Iterable[Finished], waited: Iterable[Waited]
) -> dict[str, Activity]:
    """Return the activity of each queue."""
    bins = query.bins
    found = {queue: Activity([0] * bins, [0] * bins, [0] * bins) for queue in query.queues}
    for items in settled:
        if 0 <= items.bin < query.bins:
            found[items.queue].settled[items.bin] += items.settled
            found[items.queue].failed[items.bin] += items.failed
    for jobs in finished:
        if 0 <= jobs.bin < query.bins:
            found[jobs.queue].finished.setdefault(jobs.status, [0] * query.bins)[jobs.bin] += jobs.jobs
    moves: dict[str, dict[int, Waited]] = defaultdict(dict)
    for move in waited:
        moves[move.queue][move.bin] = move
    for queue, of_queue in moves.items():
        found[queue].waiting = _levels(query, of_queue)
    return found


def follow_waits(query: ActivityQuery, waits: Iterable[tuple[str, datetime, datetime | None]]) -> list[Waited]:
    """Return how the number of waiting jobs changed; a wait has a queue, a start, and an end (None if it continues)."""
    moves = sorted(
        move
        for queue, begin, end in waits
        for move in ((begin, 1, queue), *([(end, -1, queue)] if end is not None else ()))
    )
    level, peaks, changes = Counter[str](), dict[tuple[str, int], int](), Counter[tuple[str, int]]()
    for at, step, queue in moves:
        level[queue] += step
        place = queue, query.bin_of(at)
        peaks[place] = max(peaks.get(place, 0), level[queue])
        changes[place] += step
    return [Waited(queue, number, peak, changes[queue, number]) for (queue, number), peak in peaks.items()]


def _levels(query: ActivityQuery, moves: Mapping[int, Waited]) -> list[int]:
    level, levels = moves[BEFORE].change if BEFORE in moves else 0, []
    for number in range(query.bins):
        move = moves.get(number)
        levels.append(max(level, move.peak if move else 0))
        level += move.change if move else 0
    return levels
