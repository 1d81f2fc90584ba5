"""Planning balanced chunks of work; pure."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from kaboom.market.calendar import grid, sessions_between
from kaboom.market.interval import Interval
from kaboom.providers.base import Capabilities

#: Approximate bars in a chunk: 200 symbols of one session of minutes. Smaller chunks of 80 symbols take a tenth longer.
_CHUNK_BARS = 70_000
#: A long look-back makes larger chunks, not more: a lost chunk resumes at its cursor, and each chunk costs messages,
#: commands and ledger rows.
_MAX_ROUNDS = 8

#: The length of a New York session, for days of files on which the TSE is closed.
_FOREIGN_SESSION_S = 23_400


@dataclass(frozen=True, slots=True)
class IngestChunk:
    """Some symbols of one interval over some sessions (oldest first)."""

    interval: Interval
    symbols: tuple[str, ...]
    sessions: tuple[date, ...]

    @property
    def items(self) -> tuple[str, ...]:
        return self.symbols

    def payload(self) -> dict[str, Any]:
        """Return the chunk without its symbols as JSON types; successive TSE sessions as first and last."""
        first, last = self.sessions[0], self.sessions[-1]
        values: dict[str, Any] = {"interval": self.interval.value}
        if self.sessions == sessions_between(first, last):
            return values | {"first": first.isoformat(), "last": last.isoformat()}
        return values | {"sessions": [day.isoformat() for day in self.sessions]}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], symbols: Sequence[str]) -> "IngestChunk":
        """Return the chunk of a `payload`."""
        if "sessions" in payload:
            sessions = tuple(date.fromisoformat(day) for day in payload["sessions"])
        else:
            sessions = sessions_between(date.fromisoformat(payload["first"]), date.fromisoformat(payload["last"]))
        return cls(Interval(payload["interval"]), tuple(symbols), sessions)


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """The plan of a request: its last session, its source, its universe, and the chunks to run.

    `is_final` is False until the provider's delay after the last session's close: the bars may still change. `gaps` are
    those that a backfill found, by interval; None for any other plan. `outside` counts the rows of own files that are
    of other days, by interval; None if there are none.
    """

    session: date
    is_final: bool
    provider: str
    universe: Mapping[str, Any]
    chunks: tuple[IngestChunk, ...]
    gaps: Mapping[str, Any] | None = None
    outside: Mapping[str, Any] | None = None

    def summary(self) -> dict[str, Any]:
        """Return the plan without its chunks as JSON types."""
        found = {} if self.gaps is None else {"gaps": dict(self.gaps)}
        found |= {} if self.outside is None else {"outside": dict(self.outside)}
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

    If one call returns a whole session (or month), and there are at least as many symbols as sessions, a chunk is one
    session (or month). Otherwise the symbols are split into equal parts, as many as keep every worker slot busy.
    """
    if not symbols or not sessions:
        return []
    if capabilities.is_bulk(interval, len(symbols)) and len(symbols) >= len(sessions):
        return [IngestChunk(interval, tuple(symbols), days) for days in _split_bulk(interval, sessions, capabilities)]
    bars = len(symbols) * len(sessions) * bars_per_session(sessions[-1], interval)
    parts = _count_parts(len(symbols), bars, slots)
    return [IngestChunk(interval, part, tuple(sessions)) for part in split_evenly(symbols, parts)]


def bars_per_session(session: date, interval: Interval) -> int:
    """Return the approximate bars of a symbol in a session; at least 1, also on a day without a TSE session."""
    return len(grid(session, interval)) or math.ceil(_FOREIGN_SESSION_S / interval.seconds)


def split_evenly(items: Sequence[str], parts: int) -> list[tuple[str, ...]]:
    """Return the items in order in `parts` runs whose lengths differ by at most one."""
    size, extra = divmod(len(items), parts)
    ends = [size * i + min(i, extra) for i in range(parts + 1)]
    return [tuple(items[a:b]) for a, b in itertools.pairwise(ends)]


def split_in_runs(sessions: Sequence[date]) -> list[tuple[date, ...]]:
    """Return sessions (oldest first) as runs without a missing TSE session."""
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
    # Whole rounds over the slots; few symbols are not spread.
    rounds = min(math.ceil(wanted / slots), _MAX_ROUNDS) * slots if wanted > 1 else wanted
    return max(1, min(rounds, symbols))
