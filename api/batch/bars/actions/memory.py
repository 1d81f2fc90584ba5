"""The store of corporate actions in memory, lost with the process."""

from collections.abc import Sequence

import polars as pl

from batch.bars.actions.store import NOTE_SCHEMA, merge_notes
from batch.bars.normalise import check_source


class MemoryActionStore:
    """Notes in memory, with all the guarantees of `ActionStore` except durability."""

    def __init__(self) -> None:
        self._notes: dict[str, pl.DataFrame] = {}

    async def save(self, source: str, notes: pl.DataFrame) -> None:
        check_source(source)
        self._notes[source] = merge_notes(await self.load(source), notes)

    async def load(self, source: str, symbols: Sequence[str] = ()) -> pl.DataFrame:
        check_source(source)
        notes = self._notes.get(source, pl.DataFrame(schema=NOTE_SCHEMA))
        return notes.filter(pl.col("symbol").is_in(list(symbols))) if symbols else notes

    async def close(self) -> None:
        self._notes.clear()
