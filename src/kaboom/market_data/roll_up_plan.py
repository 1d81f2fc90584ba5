"""Planning a roll-up: chunks of symbols that have minutes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import batched
from typing import Any

from kaboom.bars.store import BarStore
from kaboom.errors import InvalidRequest
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import OLDEST_YEAR, closes_at, last_sessions, resolve_last_session
from kaboom.market.interval import Interval
from kaboom.market_data.request import RollUpRequest

#: Approximate minutes in a chunk: some seconds of work, so that progress is visible.
_CHUNK_BARS = 200_000
_BARS_PER_SESSION = 300
#: A long look-back makes larger chunks, not more.
_MAX_ROUNDS = 8

#: The first and the last session of each interval.
type Spans = Mapping[Interval, tuple[date, date]]


@dataclass(frozen=True, slots=True)
class RollUpChunk:
    """Some symbols of one provider, and the intervals and sessions to make of their minutes."""

    provider: str
    symbols: tuple[str, ...]
    spans: Spans

    @property
    def items(self) -> tuple[str, ...]:
        return self.symbols

    def payload(self) -> dict[str, Any]:
        spans = {interval.value: [day.isoformat() for day in span] for interval, span in self.spans.items()}
        return {"provider": self.provider, "spans": spans}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], symbols: Sequence[str]) -> "RollUpChunk":
        """Return the chunk of a `payload`."""
        spans = {
            Interval(name): (date.fromisoformat(first), date.fromisoformat(last))
            for name, (first, last) in payload["spans"].items()
        }
        return cls(payload["provider"], tuple(symbols), spans)


@dataclass(frozen=True, slots=True)
class RollUpPlan:
    """The plan of a request. `is_final` is False if the last session is not over: its bars will change."""

    session: date
    is_final: bool
    provider: str
    spans: Spans
    chunks: tuple[RollUpChunk, ...]

    def summary(self) -> dict[str, Any]:
        """Return the plan without its chunks as JSON types."""
        return {
            "chunks": len(self.chunks),
            "session": self.session.isoformat(),
            "is_final": self.is_final,
            "provider": self.provider,
            "symbols": sum(len(chunk.symbols) for chunk in self.chunks),
            "sessions": {
                interval.value: {"first": first.isoformat(), "last": last.isoformat()}
                for interval, (first, last) in self.spans.items()
            },
        }


async def plan_roll_up(
    request: RollUpRequest, store: BarStore, *, now: datetime, delay_s: float, slots: int
) -> RollUpPlan:
    """Return the plan of a request.

    Raises:
        InvalidRequest: the session is not a session or is in the future, or there are no minutes.
        StoreError: the store could not be read.

    """
    last = resolve_last_session(request.session, now, is_tse=request.is_tse, delay_s=delay_s)
    longest = max(request.intervals.values())
    # Files have no calendar: their sessions are those in the store.
    first = last_sessions(longest, last)[0] if request.is_tse else date(OLDEST_YEAR, 1, 1)
    held = await store.coverage(BarSeries(request.source, Interval.M1), first=first, last=last)
    if held.is_empty():
        raise InvalidRequest(
            f"nothing to roll up: no 1m bars of {request.source} are held from {first} to {last}", pointer="/session"
        )
    sessions = last_sessions(longest, last) if request.is_tse else tuple(held["session"].unique().sort())
    spans = {
        interval: (sessions[-min(count, len(sessions))], sessions[-1]) for interval, count in request.intervals.items()
    }
    symbols = request.symbols or tuple(held["symbol"].unique().sort())
    chunks = tuple(
        RollUpChunk(request.source, part, spans) for part in _split(symbols, min(longest, len(sessions)), slots)
    )
    is_final = not request.is_tse or closes_at(last) <= now
    return RollUpPlan(sessions[-1], is_final, request.source, spans, chunks)


def _split(symbols: Sequence[str], sessions: int, slots: int) -> Iterator[tuple[str, ...]]:
    wanted = math.ceil(len(symbols) * sessions * _BARS_PER_SESSION / _CHUNK_BARS)
    # Whole rounds over the slots, so that all are busy to the end; few symbols are not spread.
    parts = min(math.ceil(wanted / slots), _MAX_ROUNDS) * slots if wanted > 1 else 1
    return batched(symbols, math.ceil(len(symbols) / min(parts, len(symbols))))
