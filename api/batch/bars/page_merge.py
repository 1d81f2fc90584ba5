"""New bars into the stored pages of the same symbols and buckets."""

import numpy as np
import numpy.typing as npt

from batch.bars.page_codec import Ints, PageColumns


def merge_pages(old: PageColumns, new: PageColumns) -> tuple[PageColumns, int]:
    """Return page i of both as one page sorted by time, where a new bar replaces an old one of its time.

    The number is that of replaced bars which had other values.
    """
    if have_same_times(old, new):
        return new, int(_differ(old.matrix, new.matrix).sum())
    page = np.concatenate((_page_of_bar(old), _page_of_bar(new)))
    matrix = np.concatenate((old.matrix, new.matrix), axis=1)
    order = np.lexsort((matrix[0], page))  # stable: of equal keys the new bar comes second
    page, matrix = page[order], matrix.take(order, axis=1)
    replaced = (page[1:] == page[:-1]) & (matrix[0, 1:] == matrix[0, :-1])
    changed = _differ(matrix[:, :-1].compress(replaced, axis=1), matrix[:, 1:].compress(replaced, axis=1))
    keep = np.append(~replaced, np.True_)
    counts = np.bincount(page[keep], minlength=len(old.offsets) - 1)
    return PageColumns(matrix.compress(keep, axis=1), np.concatenate(([0], np.cumsum(counts)))), int(changed.sum())


def have_same_times(old: PageColumns, new: PageColumns) -> bool:
    """Whether both hold bars of exactly the same times, as when a session is ingested again."""
    return np.array_equal(old.offsets, new.offsets) and np.array_equal(old.matrix[0], new.matrix[0])


def _page_of_bar(columns: PageColumns) -> Ints:
    return np.repeat(np.arange(len(columns.offsets) - 1), np.diff(columns.offsets))


def _differ(old: Ints, new: Ints) -> npt.NDArray[np.bool_]:
    """Whether each bar has other values; prices compare as numbers, so that -0.0 equals 0.0."""
    prices = (old[1:5].view(np.float64) != new[1:5].view(np.float64)).any(axis=0)
    changed: npt.NDArray[np.bool_] = prices | (old[5:] != new[5:]).any(axis=0)
    return changed
