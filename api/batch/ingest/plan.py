"""From a request to balanced chunks of work; pure."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from batch.market.calendar import grid, sessions_between
from batch.market.interval import Interval
from batch.providers.base import Capabilities

#: Bars in one chunk, about: two hundred symbols of one 1-minute session. Small enough that the slots of a worker end
#: about together; large enough that it does not show how requests run out at the end of each and begin anew (chunks of
#: 80 symbols take a tenth longer for a market at 64 requests at once, 50 ms each).
_CHUNK_BARS = 70_000
#: A long look-back makes larger chunks, not more of them: a chunk goes on from its cursor, so its size costs
#: nothing when it is lost, while each chunk costs messages, commands and ledger rows.
_MAX_ROUNDS = 8

#: A session of the New York exchange lasts 6.5 hours; files may hold days on which the TSE rests.
_FOREIGN_SESSION_S = 23_400


@dataclass(frozen=True, slots=True)
class IngestChunk:
    """Some symbols of one interval over some sessions (oldest first)."""

    interval: Interval
    symbols: tuple[str, ...]
    sessions: tuple[date, ...]

    @property
    def items(self) -> tuple[str, ...]:
        """The symbols: what of the chunk is settled one by one."""
        return self.symbols

    def payload(self) -> dict[str, Any]:
        """Return the chunk without its symbols as JSON types; a run of TSE sessions as its two ends."""
        first, last = self.sessions[0], self.sessions[-1]
        values: dict[str, Any] = {"interval": self.interval.value}
        if self.sessions == sessions_between(first, last):
            return values | {"first": first.isoformat(), "last": last.isoformat()}
        return values | {"sessions": [day.isoformat() for day in self.sessions]}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], symbols: Sequence[str]) -> "IngestChunk":
        """Return the chunk that `payload` wrote."""
        if "sessions" in payload:
            sessions = tuple(date.fromisoformat(day) for day in payload["sessions"])
        else:
            sessions = sessions_between(date.fromisoformat(payload["first"]), date.fromisoformat(payload["last"]))
        return cls(Interval(payload["interval"]), tuple(symbols), sessions)


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """What a request means today: its last session, its source, its universe, and the chunks to run.

    `is_final` is False where the last session had not closed, or the provider had not had its delay: the
    bars may still change. `gaps` is what a backfill found, by interval; None of a plan that looked for none.
    """

    session: date
    is_final: bool
    provider: str
    universe: Mapping[str, Any]
    chunks: tuple[IngestChunk, ...]
    gaps: Mapping[str, Any] | None = None

    def summary(self) -> dict[str, Any]:
        """Return the plan without its chunks as JSON types."""
        found = {} if self.gaps is None else {"gaps": dict(self.gaps)}
        return found | {
            "chunks": len(self.chunks),
            "session": self.session.isoformat(),
            "is_final": self.is_final,
            "provider": self.provider,
            "universe": dict(self.universe),
            "sessions": {
                interval.value: {
                    "count": len({day for c in chunks for day in c.sessions}),
                    "first": min(c.sessions[0] for c in chunks).isoformat(),
                    "last": max(c.sessions[-1] for c in chunks).isoformat(),
                }
                for interval, chunks in self._by_interval().items()
            },
        }

    def _by_interval(self) -> dict[Interval, list[IngestChunk]]:
        grouped: dict[Interval, list[IngestChunk]] = {}
        for chunk in self.chunks:
            grouped.setdefault(chunk.interval, []).append(chunk)
        return grouped


def plan_chunks(
    interval: Interval,
    symbols: Sequence[str],
    sessions: Sequence[date],
    *,
    capabilities: Capabilities,
    slots: int,
) -> list[IngestChunk]:
    """Return chunks that together hold every symbol and session once.

    Where one call brings a whole session, and there are at least as many symbols as sessions, a chunk is one
    session, or those of one month where one call brings these; else it is some symbols over all sessions, in as
    many equal parts as keep every worker slot busy to the end: a fixed size of 500 would leave a last part of 100
    (measured 1.2 to 1.3 times slower).
    """
    if not symbols or not sessions:
        return []
    if capabilities.is_bulk(interval, len(symbols)) and len(symbols) >= len(sessions):
        return [IngestChunk(interval, tuple(symbols), days) for days in _split_bulk(interval, sessions, capabilities)]
    bars = len(symbols) * len(sessions) * bars_per_session(sessions[-1], interval)
    parts = _count_parts(len(symbols), bars, slots)
    return [IngestChunk(interval, part, tuple(sessions)) for part in split_evenly(symbols, parts)]


def bars_per_session(session: date, interval: Interval) -> int:
    """Return about how many bars a symbol has in a session; at least 1, also on a day that only files know."""
    return len(grid(session, interval)) or math.ceil(_FOREIGN_SESSION_S / interval.seconds)


def split_evenly(items: Sequence[str], parts: int) -> list[tuple[str, ...]]:
    """Return the items in order in `parts` runs whose lengths differ by at most one."""
    size, extra = divmod(len(items), parts)
    ends = [size * i + min(i, extra) for i in range(parts + 1)]
    return [tuple(items[a:b]) for a, b in itertools.pairwise(ends)]


def split_in_runs(sessions: Sequence[date]) -> list[tuple[date, ...]]:
    """Return sessions (oldest first) as runs in which none of the TSE calendar's is left out."""
    if not sessions or tuple(sessions) == (whole := sessions_between(sessions[0], sessions[-1])):
        return [tuple(sessions)] if sessions else []
    places = {day: place for place, day in enumerate(whole)}
    runs: list[list[date]] = []
    for day in sessions:
        follows = runs and day in places and places.get(runs[-1][-1]) == places[day] - 1
        if follows:
            runs[-1].append(day)
        else:
            runs.append([day])
    return [tuple(run) for run in runs]


def is_one_month(sessions: Sequence[date]) -> bool:
    """Return whether sessions (oldest first, at least one) are of one calendar month."""
    return _month_of(sessions[0]) == _month_of(sessions[-1])


def _split_bulk(interval: Interval, sessions: Sequence[date], capabilities: Capabilities) -> list[tuple[date, ...]]:
    if interval in capabilities.bulk_by_month:
        return [tuple(days) for _, days in itertools.groupby(sessions, key=_month_of)]
    return [(day,) for day in sessions]


def _month_of(day: date) -> tuple[int, int]:
    return day.year, day.month


def _count_parts(symbols: int, bars: int, slots: int) -> int:
    wanted = math.ceil(bars / _CHUNK_BARS)
    # Whole rounds over the slots; a handful of symbols is not worth spreading.
    rounds = min(math.ceil(wanted / slots), _MAX_ROUNDS) * slots if wanted > 1 else wanted
    return max(1, min(rounds, symbols))
