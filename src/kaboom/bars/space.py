"""Whether a store would accept bars now; checked before a provider is asked, if a write failed before."""

from datetime import date
from pathlib import Path
from typing import Protocol, runtime_checkable

from kaboom.bars.folder.connection import store_errors
from kaboom.bars.store import BarStore
from kaboom.drivers.disk import write_and_remove
from kaboom.market.bar import BarSeries

#: A few times the size of a slice of bars.
_SPACE_BYTES = 8 << 20


@runtime_checkable
class DiskBackedStore(Protocol):
    """A store on a local disk, whose free space can be checked without bars."""

    async def check_space(self) -> None:
        """Raise StoreError if there is no space for a few more bars."""
        ...


async def check_store(store: BarStore, series: BarSeries, symbol: str, session: date) -> None:
    """Check that a store answers and has space.

    Raises:
        StoreError: the store is unavailable, or its disk is full.

    """
    if isinstance(store, DiskBackedStore):
        await store.check_space()
    await store.last_closes(series, [symbol], before=session)


def check_folder_space(folder: Path) -> None:
    """Write some MB to a folder and remove them.

    Raises:
        StoreError: the disk has no space for them.

    """
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_and_remove(folder, size=_SPACE_BYTES)
