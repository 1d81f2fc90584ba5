"""The port to stores that can set damage aside, and what a repair did."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol, runtime_checkable

from batch.market.bar import BarSeries


@dataclass(frozen=True, slots=True)
class Gap:
    """Bars that a repair had to give up: of these symbols, within these days.

    Attributes:
        symbols: which; where the damaged file did not tell, all that the source's other files know of.
        is_guess: whether they are those of the other files.
        first: the first day.
        last: the last day.

    """

    series: BarSeries
    symbols: tuple[str, ...]
    first: date
    last: date
    is_guess: bool = False


@dataclass(frozen=True, slots=True)
class Mended:
    """One damaged thing: where it was, what was wrong, what was done, and where it is kept.

    Attributes:
        where: the file, or the page in it.
        fault: what was wrong.
        done: what was done, as a sentence.
        kept: the file that holds what was set aside; "" where there was nothing left to keep, and in a dry run.
        gaps: what is missing now.

    """

    where: str
    fault: str
    done: str
    kept: str = ""
    gaps: tuple[Gap, ...] = ()


@runtime_checkable
class RepairableStore(Protocol):
    """A store that can set damage aside while other processes read and write."""

    async def repair(self, *, is_dry: bool) -> tuple[Mended, ...]:
        """Set everything damaged aside, and return what that was; in a dry run change nothing.

        What is set aside is kept. Doing it again does nothing more.

        Raises:
            StoreError: a file could not be locked, read or written; what was mended before stays mended.

        """
        ...
