"""The bytes of one page: an 8-byte prefix with a checksum, then the planes of its columns, compressed by zstd."""

import struct
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache

import zstandard
from isal.isal_zlib import crc32

from kaboom.bars.folder.errors import REPAIR
from kaboom.errors import StoreDamaged, StoreError

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
