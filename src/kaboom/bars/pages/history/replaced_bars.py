"""The bars that a write replaces, kept beside the pages; and pages as they were, made by putting them back."""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kaboom.bars.pages.codec import Ints, PageColumns, decode_pages, page_keys
from kaboom.bars.pages.merge import MergedPages, merge_pages, page_of_bar

#: A value in place of the flags: there was no bar at this time before the write. Flags have 16 bits.
ABSENT = 1 << 16
#: The blob of a page that a repair moved away: its earlier bars are unknown. No blob of bars is empty.
LOST = b""
_NEVER = np.int64(2**62)
_NEWEST = struct.Struct("<qI")
#: The same for moments that are microseconds since 1970.
WIDE = struct.Struct("<qq")


class PastPage(NamedTuple):
    """A page as it is stored, and the time in UTC seconds from which its bars were not there yet."""

    symbol: str
    bucket: int
    data: bytes
    cut: int | None


@dataclass(frozen=True, slots=True)
class Undo:
    """The bars that undo one write of some pages.

    Attributes:
        pages: the numbers of the pages with bars to put back or to remove, ascending.
        columns: those bars; page i of `columns` belongs to `pages[i]`.
        grown: the first time, in UTC seconds, of bars added at the end, by page.
        is_everything: whether `columns` are the stored pages themselves, because every bar changed and none came.

    """

    pages: list[int]
    columns: PageColumns
    grown: Mapping[int, int]
    is_everything: bool = False


def find_undo(old: PageColumns, merged: MergedPages) -> Undo:
    """Return the undo of a merge with the stored pages `old`; values are compared bit by bit."""
    changed = np.zeros(len(merged.page), np.bool_)
    for before, after in zip(merged.old[1:], merged.new[1:], strict=True):
        changed |= before != after
    if changed.sum() == len(old.seconds) and not len(merged.added):
        return Undo([*range(len(old.offsets) - 1)], old, {}, is_everything=True)
    # Bars added after the last one of their page are undone by their first time alone. A bar added between others
    # needs a row of its own, whose flags are `ABSENT`.
    is_tail = merged.added > old.seconds[old.offsets[1:] - 1][merged.added_page]
    between, page_between = merged.added[~is_tail], merged.added_page[~is_tail]
    zeros = np.zeros(len(between), np.int64)
    absent = (between, *[zeros] * 5, zeros + ABSENT)
    tail_pages, first = np.unique(merged.added_page[is_tail], return_index=True)
    grown = dict(zip(tail_pages.tolist(), merged.added[is_tail][first].tolist(), strict=True))
    page = np.concatenate((merged.page[changed], page_between))
    rows = [np.concatenate((before[changed], missing)) for before, missing in zip(merged.old, absent, strict=True)]
    order = np.lexsort((rows[0], page))
    pages, counts = np.unique(page, return_counts=True)
    columns = PageColumns(tuple(row[order] for row in rows), _offsets(counts))
    return Undo(pages.tolist(), columns, grown)


def put_back(
    current: PageColumns, replaced: PageColumns, page: Sequence[int], cuts: Sequence[int | None]
) -> PageColumns:
    """Return pages as they were before some writes; a page may become empty.

    Args:
        current: the pages as they are stored.
        replaced: the bars that the writes replaced, one page for each write, in the order of the writes.
        page: the page of `current` of each of them.
        cuts: of each page of `current`, the time in UTC seconds from which bars were not there yet.

    """
    owner = np.asarray(page, np.int64)[page_of_bar(replaced)]
    # If several writes replaced one bar, the first of them kept its oldest values.
    order = np.lexsort((np.arange(len(owner)), replaced.seconds, owner))
    owner, rows = owner[order], tuple(row[order] for row in replaced.rows)
    is_first = np.ones(len(owner), np.bool_)
    is_first[1:] = (owner[1:] != owner[:-1]) | (rows[0][1:] != rows[0][:-1])
    counts = np.bincount(owner[is_first], minlength=len(current.offsets) - 1)
    oldest = PageColumns(tuple(row[is_first] for row in rows), _offsets(counts))
    columns = merge_pages(current, oldest).columns
    ends = np.array([_NEVER if cut is None else cut for cut in cuts], np.int64)[page_of_bar(columns)]
    return columns.keep((columns.rows[6] < ABSENT) & (columns.seconds < ends))


def decode_past(
    pages: Sequence[PastPage], replaced: Sequence[tuple[int, bytes]], *, name_of: Callable[[PastPage], str]
) -> PageColumns:
    """Return the bars of pages as they were.

    Args:
        pages: the pages as they are stored.
        replaced: the number of a page, and bars that were replaced in it since, the oldest first.
        name_of: gives the name of a page for the error.

    Raises:
        StoreDamaged: a page or its history is damaged.

    """
    keys = page_keys([page.symbol for page in pages], [page.bucket for page in pages])
    columns = decode_pages([page.data for page in pages], keys, name_of=lambda i: name_of(pages[i]))
    if not replaced and all(page.cut is None for page in pages):
        return columns
    own = [i for i, _ in replaced]
    old = decode_pages(
        [data for _, data in replaced], [keys[i] for i in own], name_of=lambda n: f"{name_of(pages[own[n]])} (history)"
    )
    return put_back(columns, old, own, [page.cut for page in pages])


def _offsets(counts: Ints) -> Ints:
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))


# The newest run is first, as fixed numbers, so that a run is added without reading the others; then the steps between
# runs follow, oldest first, as varints.
def add_run(grown: bytes | None, first_s: int, no: int, *, newest: struct.Struct = _NEWEST) -> bytes:
    """Return runs with one more: bars from `first_s` (UTC seconds) on are known since moment `no`; both rise."""
    if not grown:
        return newest.pack(first_s, no)
    last_s, last_no = newest.unpack_from(grown)
    steps = grown[newest.size :] + _to_varint(first_s - last_s) + _to_varint(no - last_no)
    return newest.pack(first_s, no) + steps


def find_cut(grown: bytes | None, no: int, *, newest: struct.Struct = _NEWEST) -> int | None:
    """Return the time, in UTC seconds, from which bars were not there yet at moment `no`; None if all were."""
    cut = None
    for first_s, at in _read_backwards(grown, newest) if grown else ():
        if at <= no:
            break
        cut = first_s
    return cut


def _read_backwards(grown: bytes, newest: struct.Struct) -> list[tuple[int, int]]:
    """Return the runs, newest first."""
    first_s, no = newest.unpack_from(grown)
    numbers = _from_varints(grown[newest.size :])
    runs = [(first_s, no)]
    for at in range(len(numbers) - 2, -1, -2):
        first_s, no = first_s - numbers[at], no - numbers[at + 1]
        runs.append((first_s, no))
    return runs


def _to_varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _from_varints(data: bytes) -> list[int]:
    numbers, number, shift = list[int](), 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number = shift = 0
    return numbers
