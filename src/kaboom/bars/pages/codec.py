"""Bars as pages and back: each column of a page is cut into planes, one for each byte of its numbers."""

import itertools
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_

import numpy as np
import numpy.typing as npt
import zstandard
from isal.isal_zlib import crc32

from kaboom.bars.folder.connection import REPAIR
from kaboom.errors import StoreDamaged, StoreError

#: Columns of a page in their order; the names are those of the format's reference page.
COLUMNS = ("ts", "open", "high", "low", "close", "volume", "flags")
MAX_BARS = 65_535

_PLANES = 8 * len(COLUMNS)

Ints = npt.NDArray[np.int64]
_Planes = npt.NDArray[np.uint8]
#: The checksum of version 1 does not say whose page it is.
VERSION, _UNKEYED = 2, 1
CODEC_ZSTD_PLANES = 1
#: The same without zstd, which makes a few bars only longer, and with a prefix of 7 + 5 bytes. Not in the table `page`.
CODEC_PLANES = 2
#: The prefix of the planes: a mask with a bit for each plane that is present, and the first time.
PREFIX = struct.Struct("<Qq")

_HEADER = struct.Struct("<BBHI")
_SUMMED = struct.Struct("<BBH")
_SHORT_MASK, _SHORT_PREFIX = 7, 12
# Level 1 saves 17 % of the bytes and takes three times as long to compress. Readers need not know the level.
_LEVEL = -4


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
    """Return which planes each page stores, shape (pages, 56): a plane that is 0 in all bars of a page is left out."""
    bits = np.stack([np.bitwise_or.reduceat(row, starts) for row in rows], axis=1)
    is_present: npt.NDArray[np.bool_] = bits.view(np.uint8).reshape(-1, _PLANES) != 0
    return is_present


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


class _Zstd(threading.local):
    """A compressor and a decompressor for each thread: neither is thread-safe."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=_LEVEL).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_zstd = _Zstd()


@lru_cache(maxsize=1 << 16)
def symbol_key(symbol: str) -> int:
    """Return the number that stands for a symbol in checksums."""
    return crc32(symbol.encode())


def page_keys(symbols: Iterable[str], buckets: Iterable[int]) -> list[int]:
    """Return the numbers from which the checksums of pages begin, so that no page is read as that of another."""
    return [symbol_key(symbol) ^ (bucket & 0xFFFFFFFF) for symbol, bucket in zip(symbols, buckets, strict=True)]


def pack_page(n: int, raw: bytes, key: int, *, may_be_plain: bool) -> bytes:
    """Return a page of `n` bars, given its prefix and planes; `may_be_plain` omits zstd if it would save no bytes."""
    packed = _zstd.compress(raw)
    if may_be_plain and len(short := _shorten(raw)) <= len(packed):
        return _seal(n, CODEC_PLANES, short, key)
    return _seal(n, CODEC_ZSTD_PLANES, packed, key)


def is_keyed(blob: bytes) -> bool:
    """Return whether the checksum of a page says whose it is."""
    return blob[:1] != bytes([_UNKEYED])


def add_key(blob: bytes, key: int) -> bytes:
    """Return a sound page with a checksum that begins from its key."""
    _, codec, n, _ = _HEADER.unpack_from(blob)
    return _seal(n, codec, blob[_HEADER.size :], key)


def unpack_page(blob: bytes, key: int, i: int, name_of: Callable[[int], str]) -> tuple[int, int, int, bytes]:
    """Return the number of bars of page i, its mask, its first time, and its planes with their full prefix.

    Raises:
        StoreDamaged: the page is damaged.
        StoreError: the page has an unknown version; not retryable.

    """
    n, codec, payload = _unseal(blob, key, i, name_of)
    try:
        raw = _zstd.decompress(payload) if codec == CODEC_ZSTD_PLANES else _lengthen(payload)
        return n, *PREFIX.unpack_from(raw), raw
    except (zstandard.ZstdError, struct.error) as e:
        raise damaged_page(name_of(i), f"its payload does not decompress: {e}") from e


def _shorten(raw: bytes) -> bytes:
    """Return a page with the short prefix; times from 1900 to 2999 fit in it."""
    mask, first = PREFIX.unpack_from(raw)
    short = mask.to_bytes(_SHORT_MASK, "little") + first.to_bytes(_SHORT_PREFIX - _SHORT_MASK, "little", signed=True)
    return bytes(short + raw[PREFIX.size :])


def _lengthen(short: bytes) -> bytes:
    mask = int.from_bytes(short[:_SHORT_MASK], "little")
    first = int.from_bytes(short[_SHORT_MASK:_SHORT_PREFIX], "little", signed=True)
    return PREFIX.pack(mask, first) + short[_SHORT_PREFIX:]


def _seal(n: int, codec: int, payload: bytes, key: int) -> bytes:
    crc = crc32(payload, crc32(_SUMMED.pack(VERSION, codec, n), key))
    return _HEADER.pack(VERSION, codec, n, crc) + payload


def _unseal(blob: bytes, key: int, i: int, name_of: Callable[[int], str]) -> tuple[int, int, bytes]:
    # A damaged row may have None in place of its blob.
    if not blob or len(blob) < _HEADER.size:
        raise damaged_page(name_of(i), f"it has {len(blob or b'')} bytes, expected at least {_HEADER.size}")
    version, codec, n, crc = _HEADER.unpack_from(blob)
    payload = blob[_HEADER.size :]
    actual = crc32(payload, crc32(blob[:4], 0 if version == _UNKEYED else key))
    if actual != crc:
        raise damaged_page(name_of(i), f"its crc32 was {actual:08x}, expected {crc:08x}")
    if version not in {VERSION, _UNKEYED} or codec not in {CODEC_ZSTD_PLANES, CODEC_PLANES}:
        raise StoreError(
            f"page {name_of(i)} has version {version} and codec {codec}, expected {VERSION} and {CODEC_ZSTD_PLANES}: a"
            " newer Kaboom wrote it",
            retryable=False,
        )
    return n, codec, payload


def damaged_page(name: str, why: str) -> StoreDamaged:
    """Return the error of a damaged page."""
    return StoreDamaged(f"page {name} is damaged: {why}", repair=REPAIR)
