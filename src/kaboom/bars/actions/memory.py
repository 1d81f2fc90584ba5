"""The store of corporate actions in memory, lost with the process."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from kaboom.bars.actions.store import KEY, NOTE_SCHEMA
from kaboom.bars.normalise import check_source
from kaboom.drivers.clock import Clock, utc_now


class MemoryActionStore:
    """Notes in memory, with all the guarantees of `ActionStore` except durability."""

    def __init__(self, *, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._states: list[tuple[datetime, dict[str, pl.DataFrame]]] = []
        self._notes: dict[str, pl.DataFrame] = {}

    async def save(self, source: str, notes: pl.DataFrame) -> None:
        check_source(source)
        both = pl.concat([await self.load(source), notes])
        self._notes[source] = both.unique(KEY, keep="last", maintain_order=True).sort(KEY)
        last = self._states[-1][0] if self._states else datetime.min.replace(tzinfo=UTC)
        self._states.append((max(self._clock(), last + timedelta(microseconds=1)), dict(self._notes)))

    def known_at(self, moment: datetime) -> "MemoryActionStore":
        past = MemoryActionStore(clock=self._clock)
        past._notes = next((notes for at, notes in reversed(self._states) if at <= moment), {})
        return past

    async def load(self, source: str, symbols: Sequence[str] = ()) -> pl.DataFrame:
        check_source(source)
        notes = self._notes.get(source, pl.DataFrame(schema=NOTE_SCHEMA))
        return notes.filter(pl.col("symbol").is_in(list(symbols))) if symbols else notes

    async def close(self) -> None:
        self._notes.clear()
        self._states.clear()
