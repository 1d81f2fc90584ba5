"""Whether a store would take bars now: asked before a provider is, where a write has failed already."""

from datetime import date
from pathlib import Path
from typing import Protocol, runtime_checkable

from batch.bars.folder.errors import store_errors
from batch.bars.store import BarStore
from batch.kit.disk import write_probe
from batch.market.bar import BarSeries

#: Some times what a slice of bars takes.
_ROOM_BYTES = 8 << 20


@runtime_checkable
class ProbedStore(Protocol):
    """A store whose room can be tried without bars."""

    async def probe(self) -> None:
        """Raise StoreError where there is no room for a few more bars."""
        ...


async def try_store(store: BarStore, series: BarSeries, symbol: str, session: date) -> None:
    """Return if a store answers and has room.

    Raises:
        StoreError: it is away, or its disk is full.

    """
    if isinstance(store, ProbedStore):
        await store.probe()
    await store.last_closes(series, [symbol], before=session)


def try_folder(folder: Path) -> None:
    """Write some MB to a folder, and take them back.

    Raises:
        StoreError: they did not fit.

    """
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_probe(folder, size=_ROOM_BYTES)
