"""The port to stores that can repair themselves, and the result of a repair."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol, runtime_checkable

from kaboom.market.bar import BarSeries


@dataclass(frozen=True, slots=True)
class Gap:
    """Bars that were lost: of these symbols, from `first` to `last`.

    Attributes:
        symbols: the symbols; if those of the damaged file could not be read, all symbols of the source's other files.
        is_guess: whether the symbols are from the other files.

    """

    series: BarSeries
    symbols: tuple[str, ...]
    first: date
    last: date
    is_guess: bool = False


@dataclass(frozen=True, slots=True)
class RepairedItem:
    """A damaged file or page, and the result of its repair.

    Attributes:
        where: the file, or the page.
        fault: the damage.
        done: the action of the repair, as a sentence.
        kept: the file or the rows in the archive; "" if nothing was left to keep, and in a dry run.
        gaps: the bars that are missing now.

    """

    where: str
    fault: str
    done: str
    kept: str = ""
    gaps: tuple[Gap, ...] = ()


@runtime_checkable
class RepairableStore(Protocol):
    """A store that can repair damage while other processes read and write."""

    async def repair(self, *, is_dry: bool) -> tuple[RepairedItem, ...]:
        """Move all damaged files and pages to the archive, and return them; a dry run changes nothing.

        The archive is never deleted. A second repair finds nothing to do.

        Raises:
            StoreError: a file could not be locked, read or written; earlier repairs of the same call stay.

        """
        ...
