"""New bars into the stored pages of the same symbols and buckets."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from batch.bars.page_codec import Ints, PageColumns

type Values = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MergedPages:
    """Pages put together, and the replaced bars: old and new columns side by side.

    Attributes:
        columns: the pages.
        changed: how many replaced bars had other values or flags.
        old: the columns before, shape (7, replaced).
        new: the columns after.
        page: the page of each, shape (replaced,).
        corrected_at: which of them had other prices or another volume, shape (corrected,).

    """

    columns: PageColumns
    changed: int
    old: Ints
    new: Ints
    page: Ints
    corrected_at: Ints

    @property
    def corrected(self) -> int:
        """How many replaced bars had other prices or another volume."""
        return len(self.corrected_at)

    def first_corrected(self, most: int) -> Iterator[tuple[int, int, Values, Values]]:
        """Give page, `opened_at` in UTC seconds, and open, high, low, close, volume before and after."""
        first = self.corrected_at[:most]
        pages, times = self.page[first].tolist(), self.new[0, first].tolist()
        yield from zip(pages, times, _values(self.old, first), _values(self.new, first), strict=True)


def merge_pages(old: PageColumns, new: PageColumns) -> MergedPages:
    """Return page i of both as one page sorted by time, where a new bar replaces an old one of its time."""
    if have_same_times(old, new):
        return _compare(new, old.matrix, new.matrix, page=_page_of_bar(new))
    page = np.concatenate((_page_of_bar(old), _page_of_bar(new)))
    matrix = np.concatenate((old.matrix, new.matrix), axis=1)
    order = np.lexsort((matrix[0], page))  # stable: of equal keys the new bar comes second
    page, matrix = page[order], matrix.take(order, axis=1)
    replaced = (page[1:] == page[:-1]) & (matrix[0, 1:] == matrix[0, :-1])
    keep = np.append(~replaced, np.True_)
    counts = np.bincount(page[keep], minlength=len(old.offsets) - 1)
    columns = PageColumns(matrix.compress(keep, axis=1), np.concatenate(([0], np.cumsum(counts))))
    befores, afters = matrix[:, :-1].compress(replaced, axis=1), matrix[:, 1:].compress(replaced, axis=1)
    return _compare(columns, befores, afters, page=page[1:].compress(replaced))


def have_same_times(old: PageColumns, new: PageColumns) -> bool:
    """Whether both hold bars of exactly the same times, as when a session is ingested again."""
    return np.array_equal(old.offsets, new.offsets) and np.array_equal(old.matrix[0], new.matrix[0])


def _page_of_bar(columns: PageColumns) -> Ints:
    return np.repeat(np.arange(len(columns.offsets) - 1), np.diff(columns.offsets))


def _compare(columns: PageColumns, old: Ints, new: Ints, *, page: Ints) -> MergedPages:
    """Tell changed bars from unchanged ones; prices compare as numbers, so that -0.0 equals 0.0."""
    corrected = (old[1:5].view(np.float64) != new[1:5].view(np.float64)).any(axis=0) | (old[5] != new[5])
    changed = corrected | (old[6] != new[6])
    return MergedPages(columns, int(changed.sum()), old, new, page, np.flatnonzero(corrected))


def _values(matrix: Ints, bars: Ints) -> list[Values]:
    """Return open, high, low, close and volume of some bars."""
    picked = matrix[1:6, bars]
    return list(zip(*picked[:4].view(np.float64).tolist(), map(float, picked[4].tolist()), strict=True))
