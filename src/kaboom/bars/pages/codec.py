"""Bars as pages and back: each column of a page is cut into planes, one for each byte of its numbers."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_

import numpy as np
import numpy.typing as npt

from kaboom.bars.pages.blob import PREFIX, damaged_page, pack_page, unpack_page
from kaboom.errors import StoreDamaged, StoreError

#: Columns of a page in their order; the names are those of the format's reference page.
COLUMNS = ("ts", "open", "high", "low", "close", "volume", "flags")
MAX_BARS = 65_535

_PLANES = 8 * len(COLUMNS)

Ints = npt.NDArray[np.int64]
_Planes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PageColumns:
    """The bars of some pages as columns.

    Attributes:
        rows: seven of int64, shape (bars,), as in `COLUMNS`: UTC seconds, bits of float64 prices, volume, flags.
        offsets: int64, shape (pages + 1,); page i is `offsets[i]` to `offsets[i + 1]` of every row.

    """

    rows: tuple[Ints, ...]
    offsets: Ints

    @property
    def seconds(self) -> Ints:
        """UTC seconds, shape (bars,)."""
        return self.rows[0]

    @property
    def prices(self) -> list[npt.NDArray[np.float64]]:
        """Open, high, low and close, each of shape (bars,)."""
        return [row.view(np.float64) for row in self.rows[1:5]]

    def keep(self, bars: npt.NDArray[np.bool_]) -> "PageColumns":
        """Return the bars chosen; a page may become empty."""
        kept_before = np.concatenate(([0], np.cumsum(bars, dtype=np.int64)))
        return PageColumns(tuple(row.compress(bars) for row in self.rows), kept_before[self.offsets])


def encode_pages(columns: PageColumns, keys: Sequence[int], *, may_be_plain: bool = False) -> list[bytes]:
    """Return one blob per page; equal bars give equal bytes. `may_be_plain` omits zstd if it would save no bytes.

    `keys` are those of `page_keys`: a page can be read only with its own.

    Raises:
        StoreError: a page is empty or has more bars than a page can count.

    """
    starts, counts = columns.offsets[:-1], np.diff(columns.offsets)
    if not len(counts):
        return []
    if counts.min() < 1 or counts.max() > MAX_BARS:
        raise StoreError(f"a page holds 1 to {MAX_BARS} bars, got {counts.min()} to {counts.max()}", retryable=False)
    rows = [_deltas(columns.seconds, starts), *columns.rows[1:]]
    present = _present_planes(rows, starts)
    used = np.flatnonzero(present.any(axis=0))
    planes = np.empty((len(used), len(columns.seconds)), np.uint8)
    for i, plane in enumerate(used):
        planes[i] = rows[plane // 8].view(np.uint8)[plane % 8 :: 8]
    masks = (present @ (np.uint64(1) << np.arange(_PLANES, dtype=np.uint64))).tolist()
    chosen_by = {m: np.flatnonzero([m >> int(p) & 1 for p in used]) for m in set(masks)}
    blobs = []
    firsts = columns.seconds[starts].tolist()
    for mask, first, start, n, key in zip(masks, firsts, starts.tolist(), counts.tolist(), keys, strict=True):
        chosen = planes[:, start : start + n]
        if len(chosen_by[mask]) < len(used):
            chosen = chosen[chosen_by[mask]]
        blobs.append(pack_page(n, PREFIX.pack(mask, first) + chosen.tobytes(), key, may_be_plain=may_be_plain))
    return blobs


def decode_pages(blobs: Sequence[bytes], keys: Sequence[int], *, name_of: Callable[[int], str]) -> PageColumns:
    """Return the bars of all pages at once, which is faster than page by page.

    Args:
        blobs: pages as `encode_pages` made them.
        keys: the keys that they were made with.
        name_of: gives the name of page i for the error.

    Raises:
        StoreDamaged: a page is damaged, or that of another symbol or bucket.
        StoreError: a page has an unknown version; not retryable.

    """
    raws, counts, masks, firsts = [], [], [], []
    for i, (blob, key) in enumerate(zip(blobs, keys, strict=True)):
        n, mask, first, raw = unpack_page(blob, key, i, name_of)
        if mask >> _PLANES or len(raw) != PREFIX.size + mask.bit_count() * n:
            raise damaged_page(name_of(i), f"{n} bars with mask {mask:#x} do not fit {len(raw)} bytes")
        raws.append(raw)
        counts.append(n)
        masks.append(mask)
        firsts.append(first)
    offsets = np.fromiter(itertools.accumulate(counts, initial=0), np.int64, len(counts) + 1)
    used, planes = _gather_planes(raws, masks, offsets)
    matrix = np.zeros((len(COLUMNS), int(offsets[-1])), np.int64)
    every_byte = matrix.view(np.uint8)
    for i, plane in enumerate(used):
        every_byte[plane // 8, plane % 8 :: 8] = planes[i]
    _undo_deltas(matrix[0], offsets, np.array(firsts, np.int64))
    return PageColumns(tuple(matrix), offsets)


def decode_sound(
    blobs: Sequence[bytes],
    keys: Sequence[int],
    *,
    name_of: Callable[[int], str],
    skip: type[StoreError] = StoreDamaged,
) -> tuple[PageColumns, dict[int, StoreError]]:
    """Return the bars of the pages that can be read, and by number the error of each other page, if it is a `skip`."""

    def find_error(i: int) -> StoreError | None:
        try:
            decode_pages([blobs[i]], [keys[i]], name_of=lambda _: name_of(i))
        except skip as e:
            return e
        return None

    try:
        return decode_pages(blobs, keys, name_of=name_of), {}
    except skip:
        errors = {i: e for i in range(len(blobs)) if (e := find_error(i))}
    sound = [i for i in range(len(blobs)) if i not in errors]
    some = [blobs[i] for i in sound], [keys[i] for i in sound]
    return decode_pages(*some, name_of=lambda n: name_of(sound[n])), errors


def _deltas(times: Ints, starts: Ints) -> Ints:
    """Return the step from the previous bar, 0 at a page's start: small numbers need few planes."""
    steps = times.copy()
    steps[1:] -= times[:-1]
    steps[starts] = 0
    return steps


def _undo_deltas(deltas: Ints, offsets: Ints, firsts: Ints) -> None:
    """Turn steps into times in place, by one running sum over all pages."""
    if not len(firsts):
        return
    starts = offsets[:-1]
    deltas[starts] = 0
    lasts = firsts + np.add.reduceat(deltas, starts)
    deltas[starts] = firsts
    deltas[starts[1:]] -= lasts[:-1]
    np.cumsum(deltas, out=deltas)


def _present_planes(rows: list[Ints], starts: Ints) -> npt.NDArray[np.bool_]:
    """Return, shape (pages, 56), whether any bar of the page has a bit set in that byte of that column."""
    bits = np.stack([np.bitwise_or.reduceat(row, starts) for row in rows], axis=1)
    held: npt.NDArray[np.bool_] = bits.view(np.uint8).reshape(-1, _PLANES) != 0
    return held


@lru_cache(maxsize=64)
def _planes_in(mask: int) -> tuple[int, ...]:
    return tuple(p for p in range(_PLANES) if mask >> p & 1)


def _gather_planes(raws: list[bytes], masks: list[int], offsets: Ints) -> tuple[tuple[int, ...], _Planes]:
    """Concatenate the planes of all pages; a plane that a page lacks is zero there."""
    distinct = set(masks)
    used = _planes_in(reduce(or_, distinct, 0))
    counts = np.diff(offsets).tolist()
    every_byte = np.frombuffer(b"".join(raws), np.uint8)
    if len(distinct) == len(set(counts)) == 1:
        # Pages of one shape, such as full sessions, are one array.
        alike = every_byte.reshape(len(raws), -1)[:, PREFIX.size :].reshape(len(raws), len(used), counts[0])
        return used, alike.swapaxes(0, 1).reshape(len(used), -1)
    ends = itertools.accumulate(map(len, raws), initial=0)
    pieces = [
        every_byte[at + PREFIX.size : end].reshape(-1, n)
        for (at, end), n in zip(itertools.pairwise(ends), counts, strict=True)
    ]
    planes = np.zeros((len(used), int(offsets[-1])), np.uint8)
    rows = {m: np.flatnonzero([m >> p & 1 for p in used]) for m in distinct}
    for mask, piece, start, n in zip(masks, pieces, offsets.tolist(), counts, strict=False):
        planes[rows[mask], start : start + n] = piece
    return used, planes
