"""New bars into the stored pages of the same symbols and buckets."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from batch.bars.page_codec import Ints, PageColumns

type Values = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MergedPages:
    """Pages put together, and the replaced bars that had other values: old and new columns side by side.

    Attributes:
        columns: the pages.
        changed: how many replaced bars had other values or flags.
        old: of those with other prices or another volume, the columns before, shape (7, corrected).
        new: the columns after.
        page: the page of each, shape (corrected,).

    """

    columns: PageColumns
    changed: int
    old: Ints
    new: Ints
    page: Ints

    @property
    def corrected(self) -> int:
        """How many replaced bars had other prices or another volume."""
        return len(self.page)

    def first_corrected(self, most: int) -> Iterator[tuple[int, int, Values, Values]]:
        """Give page, `opened_at` in UTC seconds, and open, high, low, close, volume before and after."""
        for i in range(min(most, self.corrected)):
            yield int(self.page[i]), int(self.new[0, i]), _values(self.old, i), _values(self.new, i)


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
    return MergedPages(
        columns, int(changed.sum()), old.compress(corrected, axis=1), new.compress(corrected, axis=1), page[corrected]
    )


def _values(matrix: Ints, i: int) -> Values:
    prices = matrix[1:5, i].copy().view(np.float64)
    return (*map(float, prices), float(matrix[5, i]))
