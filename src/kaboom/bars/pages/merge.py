"""Merging new bars into the stored pages of the same symbols and buckets."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from kaboom.bars.pages.codec import Ints, PageColumns

type Values = tuple[float, ...]
type Rows = tuple[Ints, ...]


@dataclass(frozen=True, slots=True)
class MergedPages:
    """Merged pages, and the replaced bars: old and new columns side by side.

    Attributes:
        columns: the pages.
        changed: how many replaced bars had other values or flags.
        old: the rows before, seven of shape (replaced,).
        new: the rows after.
        page: the page of each, shape (replaced,).
        corrected_at: which of them had other prices or another volume, shape (corrected,).
        are_alike: whether every bar has the time and the flags of an old one.
        added: the times of the bars that replaced none, shape (added,).
        added_page: the page of each of them.

    """

    columns: PageColumns
    changed: int
    old: Rows
    new: Rows
    page: Ints
    corrected_at: Ints
    are_alike: bool
    added: Ints
    added_page: Ints

    def first_corrected(self, most: int) -> Iterator[tuple[int, int, Values, Values]]:
        """Yield page, `opened_at` in UTC seconds, and open, high, low, close, volume before and after."""
        first = self.corrected_at[:most]
        pages, times = self.page[first].tolist(), self.new[0][first].tolist()
        yield from zip(pages, times, _values(self.old, first), _values(self.new, first), strict=True)


def merge_pages(old: PageColumns, new: PageColumns) -> MergedPages:
    """Return page i of both as one page sorted by time; a new bar replaces an old one of the same time."""
    if np.array_equal(old.offsets, new.offsets) and np.array_equal(old.seconds, new.seconds):
        # As when a session is ingested again.
        return _compare(new, old.rows, new.rows, page=page_of_bar(new))
    page = np.concatenate((page_of_bar(old), page_of_bar(new)))
    rows = tuple(np.concatenate(both) for both in zip(old.rows, new.rows, strict=True))
    order = np.lexsort((rows[0], page))  # stable: of equal keys the new bar comes second
    is_new = order >= len(old.seconds)
    page, rows = page[order], tuple(row[order] for row in rows)
    replaced = (page[1:] == page[:-1]) & (rows[0][1:] == rows[0][:-1])
    kept = np.append(~replaced, np.True_)
    columns = PageColumns(rows, old.offsets + new.offsets).keep(kept)
    befores, afters = (tuple(row[part].compress(replaced) for row in rows) for part in (np.s_[:-1], np.s_[1:]))
    is_new[1:] &= ~replaced
    found = _compare(columns, befores, afters, page=page[1:].compress(replaced))
    return replace(found, added=rows[0].compress(is_new), added_page=page.compress(is_new))


def page_of_bar(columns: PageColumns) -> Ints:
    """Return the number of the page of each bar."""
    return np.repeat(np.arange(len(columns.offsets) - 1), np.diff(columns.offsets))


def _compare(columns: PageColumns, old: Rows, new: Rows, *, page: Ints) -> MergedPages:
    """Find the bars that changed; prices compare as numbers, so that -0.0 equals 0.0."""
    corrected = old[5] != new[5]
    for before, after in zip(old[1:5], new[1:5], strict=True):
        corrected |= before.view(np.float64) != after.view(np.float64)
    flagged = old[6] != new[6]
    changed = int((corrected | flagged).sum())
    are_alike = columns.rows is new and not flagged.any()
    none = np.empty(0, np.int64)
    return MergedPages(columns, changed, old, new, page, np.flatnonzero(corrected), are_alike, none, none)


def _values(rows: Rows, bars: Ints) -> list[Values]:
    """Return open, high, low, close and volume of some bars."""
    prices = (row[bars].view(np.float64).tolist() for row in rows[1:5])
    return list(zip(*prices, map(float, rows[5][bars].tolist()), strict=True))
