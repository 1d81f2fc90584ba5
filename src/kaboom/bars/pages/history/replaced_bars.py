"""The bars that a write replaces, kept beside the pages; and pages as they were, made by putting them back."""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kaboom.bars.pages.codec import Ints, PageColumns, damaged_page, decode_pages, page_keys
from kaboom.bars.pages.merge import MergedPages, merge_pages, page_of_bar

#: A value in place of the flags: there was no bar at this time before the write. Flags have 16 bits.
ABSENT = 1 << 16
#: The blob of a page that a repair moved away: its earlier bars are unknown. No blob of bars is empty.
LOST = b""
_NEVER = np.int64(2**62)
#: 1900, before all bars, in UTC seconds.
_FIRST_S = -2_208_988_800
_NEWEST = struct.Struct("<qI")
#: The same for moments that are microseconds since 1970.
WIDE = struct.Struct("<qq")


class PastPage(NamedTuple):
    """A page as it is stored, and the runs of bars that were added at its end."""

    symbol: str
    bucket: int
    data: bytes
    grown: bytes | None


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
    pages: Sequence[PastPage],
    replaced: Sequence[tuple[int, bytes]],
    *,
    cut_of: Callable[[bytes | None], int | None],
    name_of: Callable[[PastPage], str],
) -> PageColumns:
    """Return the bars of pages as they were.

    Args:
        pages: the pages as they are stored.
        replaced: the number of a page, and bars that were replaced in it since, the oldest first.
        cut_of: `find_cut` at the moment.
        name_of: gives the name of a page for the error.

    Raises:
        StoreDamaged: a page or its history is damaged.

    """
    keys = page_keys([page.symbol for page in pages], [page.bucket for page in pages])
    columns = decode_pages([page.data for page in pages], keys, name_of=lambda i: name_of(pages[i]))
    cuts = [_cut(page, cut_of, name_of) for page in pages]
    if not replaced and all(cut is None for cut in cuts):
        return columns
    own = [i for i, _ in replaced]
    old = decode_pages(
        [data for _, data in replaced], [keys[i] for i in own], name_of=lambda n: f"{name_of(pages[own[n]])} (history)"
    )
    return put_back(columns, old, own, cuts)


def _cut(
    page: PastPage, cut_of: Callable[[bytes | None], int | None], name_of: Callable[[PastPage], str]
) -> int | None:
    try:
        return cut_of(page.grown)
    except ValueError as e:
        raise damaged_page(f"{name_of(page)} (history)", str(e)) from e


def _offsets(counts: Ints) -> Ints:
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))


# The newest run is first, as fixed numbers, so that a run is added without reading the others; then the steps between
# runs follow, oldest first, as varints.
def add_run(grown: bytes | None, first_s: int, no: int, *, newest: struct.Struct = _NEWEST) -> bytes:
    """Return runs with one more: bars from `first_s` (UTC seconds) on are known since moment `no`.

    Moments rise; times rise, or stay where bars were taken away behind the store's back.

    Raises:
        ValueError: the runs are damaged.

    """
    if not grown:
        return newest.pack(first_s, no)
    last_s, last_no = _newest_run(grown, newest)
    if first_s < last_s or no <= last_no:
        raise ValueError(
            f"its newest run was from {last_s} s at moment {last_no}, expected up to {first_s} s and before {no}"
        )
    steps = grown[newest.size :] + _to_varint(first_s - last_s) + _to_varint(no - last_no)
    return newest.pack(first_s, no) + steps


def add_runs(
    grown: Mapping[int, int], runs_of: Callable[[int], bytes | None], no: int, *, newest: struct.Struct = _NEWEST
) -> tuple[dict[int, bytes], dict[int, str]]:
    """Return by page its runs with one more, and by page the damage of runs that cannot get one.

    Args:
        grown: by page the first time of its new run, in UTC seconds.
        runs_of: gives the runs of a page.
        no: the moment of the new runs.
        newest: the form of the newest run.

    """
    runs, damaged = dict[int, bytes](), dict[int, str]()
    for page, first_s in grown.items():
        try:
            runs[page] = add_run(runs_of(page), first_s, no, newest=newest)
        except ValueError as e:
            damaged[page] = str(e)
    return runs, damaged


def find_cut(grown: bytes | None, no: int, *, newest: struct.Struct = _NEWEST) -> int | None:
    """Return the time, in UTC seconds, from which bars were not there yet at moment `no`; None if all were.

    Raises:
        ValueError: the runs are damaged.

    """
    cut = None
    for first_s, at in read_runs(grown, newest) if has_grown(grown, no, newest=newest) else ():
        if at <= no:
            break
        cut = first_s
    return cut


def has_grown(grown: bytes | None, no: int, *, newest: struct.Struct = _NEWEST) -> bool:
    """Return whether bars were added at the end of a page after moment `no`, or its runs are too short to say."""
    return bool(grown) and (len(grown or b"") < newest.size or _newest_run(grown or b"", newest)[1] > no)


def read_runs(grown: bytes | None, newest: struct.Struct = _NEWEST) -> list[tuple[int, int]]:
    """Return the runs, newest first: their first time in UTC seconds, and their moment.

    Raises:
        ValueError: they are damaged.

    """
    if not grown:
        return []
    first_s, no = _newest_run(grown, newest)
    runs, numbers = [(first_s, no)], _from_varints(grown[newest.size :])
    if len(numbers) % 2 or 0 in numbers[1::2]:
        raise ValueError(f"its runs have the steps {numbers}, expected pairs of which the second is above 0")
    for at in range(len(numbers) - 2, -1, -2):
        first_s, no = first_s - numbers[at], no - numbers[at + 1]
        runs.append((first_s, no))
    if no < 0 or first_s < _FIRST_S:
        raise ValueError(f"its oldest run was from {first_s} s at moment {no}, expected {_FIRST_S} s or later and 0")
    return runs


def find_damaged_runs(
    grown: bytes | None, bars: tuple[int, int], moments: tuple[int, int], *, newest: struct.Struct = _NEWEST
) -> str:
    """Return what is wrong with the runs of a page; "" if nothing is.

    Args:
        grown: the runs.
        bars: the first and the last time of the page, in UTC seconds.
        moments: the moment at which the page was added, and that of its last change.
        newest: the form of the newest run.

    """
    try:
        runs = read_runs(grown, newest)
    except ValueError as e:
        return str(e)
    if runs and not (bars[0] < runs[-1][0] <= runs[0][0] <= bars[1]):
        return f"its runs were from {runs[-1][0]} s to {runs[0][0]} s, expected after {bars[0]} s and up to {bars[1]} s"
    if runs and not (moments[0] < runs[-1][1] <= runs[0][1] <= moments[1]):
        return (
            f"its runs were of the moments {runs[-1][1]} to {runs[0][1]},"
            f" expected after {moments[0]} and up to {moments[1]}"
        )
    return ""


def _newest_run(grown: bytes, newest: struct.Struct) -> tuple[int, int]:
    if len(grown) < newest.size:
        raise ValueError(f"its runs had {len(grown)} bytes, expected at least {newest.size}")
    first_s, no = newest.unpack_from(grown)
    return first_s, no


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
    if shift:
        raise ValueError("its runs end within a number")
    return numbers
