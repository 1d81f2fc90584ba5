"""Planning indicators: chunks of symbols that have bars, and the folder of their files."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import batched
from pathlib import Path
from typing import Any

from kaboom.bars.history import folder_at, reader_at
from kaboom.bars.store import BarReader
from kaboom.errors import InvalidRequest
from kaboom.indicators.request import IndicatorRequest
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import OLDEST_YEAR, closes_at, last_sessions, resolve_last_session
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import load_universe

#: The most symbols in a chunk: some seconds of work, so that progress is visible and a stop is quick.
_CHUNK_SYMBOLS = 100
#: Most file systems allow names of 255 bytes.
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class IndicatorChunk:
    """Some symbols of one series over a span of days, both included."""

    series: BarSeries
    symbols: tuple[str, ...]
    first: date
    last: date

    @property
    def items(self) -> tuple[str, ...]:
        return self.symbols

    def payload(self) -> dict[str, Any]:
        return {
            "provider": self.series.source,
            "interval": self.series.interval.value,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], symbols: Sequence[str]) -> "IndicatorChunk":
        """Return the chunk of a `payload`."""
        series = BarSeries(payload["provider"], Interval(payload["interval"]))
        first, last = (date.fromisoformat(payload[name]) for name in ("first", "last"))
        return cls(series, tuple(symbols), first, last)


@dataclass(frozen=True, slots=True)
class IndicatorPlan:
    """The plan of a request: its span, the folder of its files, and the chunks to run.

    `is_final` is False if the last session is not over: its bars will change.
    """

    request: IndicatorRequest
    first: date
    last: date
    is_final: bool
    folder: Path
    chunks: tuple[IndicatorChunk, ...]

    def summary(self) -> dict[str, Any]:
        """Return the plan without its chunks as JSON types."""
        return {
            "chunks": len(self.chunks),
            "session": self.last.isoformat(),
            "is_final": self.is_final,
            "provider": self.request.source,
            "interval": self.request.interval.value,
            "adjusted": self.request.adjusted,
            "symbols": sum(len(chunk.symbols) for chunk in self.chunks),
            "sessions": {"first": self.first.isoformat(), "last": self.last.isoformat()},
            "columns": [name for indicator in self.request.indicators for name in indicator.columns],
            "folder": str(self.folder),
        }


async def plan_indicators(
    request: IndicatorRequest, store: BarReader, folder: Path, *, symbols_dir: Path, now: datetime, delay_s: float
) -> IndicatorPlan:
    """Return the plan of a request: for the symbols that it names, else for those that have bars in its span.

    `folder` is that of its files, and `symbols_dir` that of the imported symbol lists.

    Raises:
        InvalidRequest: the session is not a session or is in the future, or there are no bars, or none can be read as
            of the request's moment.
        StoreError: the store could not be read.

    """
    # Sessions that closed after the moment were not known then.
    known = request.as_of if request.as_of and request.session is None else now
    last = resolve_last_session(request.session, known, is_tse=request.is_tse, delay_s=delay_s)
    # Files have no calendar: their sessions are those in the store.
    first = last_sessions(request.sessions, last)[0] if request.is_tse else date(OLDEST_YEAR, 1, 1)
    series = BarSeries(request.source, request.interval)
    held = await reader_at(store, request.as_of).coverage(series, first=first, last=last)
    days: list[date] = held["session"].unique().sort().to_list()
    symbols = request.symbols or tuple(_in_market(request, held["symbol"].unique().sort().to_list(), last, symbols_dir))
    if not days or not symbols:
        whose = f"{series.source} {series.interval}" + (f" of {request.market}" if request.market else "")
        raise InvalidRequest(
            f"nothing to compute: no bars of {whose} are held from {first} to {last}", pointer="/interval"
        )
    if not request.is_tse:
        first, last = days[-min(request.sessions, len(days))], days[-1]
    chunks = tuple(IndicatorChunk(series, part, first, last) for part in _split(symbols))
    is_final = not request.is_tse or closes_at(last) <= now
    return IndicatorPlan(request, first, last, is_final, folder, chunks)


def folder_of(request: IndicatorRequest, root: Path) -> Path:
    """Return the folder of a set of indicators: the same indicators in the same order share a folder.

    Those of adjusted bars go to `<interval>-adjusted`, so that they never replace those of raw bars; those as of a
    moment to a folder with its name, so that they never replace those of today.
    """
    name = "+".join(indicator.label for indicator in request.indicators)
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    suffix = "-adjusted" if request.adjusted else ""
    return folder_at(root, request.as_of) / request.source / f"{request.interval}{suffix}" / name


def _in_market(request: IndicatorRequest, symbols: list[str], session: date, symbols_dir: Path) -> list[str]:
    if request.market is None or not request.market.is_tse:
        return symbols
    universe = load_universe(request.market, session, imported_dir=symbols_dir, known_at=request.as_of)
    listed = set(universe.symbols)
    return [symbol for symbol in symbols if symbol in listed]


def _split(symbols: Sequence[str]) -> Iterator[tuple[str, ...]]:
    parts = math.ceil(len(symbols) / _CHUNK_SYMBOLS)
    return batched(symbols, math.ceil(len(symbols) / parts))
