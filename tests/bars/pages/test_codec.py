"""Pages survive the round trip bit by bit, and damage never passes for bars."""

import struct
import zlib
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kaboom.bars.pages.codec import (
    CODEC_ZSTD_PLANES,
    MAX_BARS,
    PageColumns,
    add_key,
    decode_pages,
    encode_pages,
    page_keys,
)
from kaboom.errors import StoreError

INT64 = st.integers(-(2**63), 2**63 - 1)
#: Plain prices, and any float64 at all: NaN payloads, infinities, -0.0, subnormals.
PRICE = st.one_of(st.integers(1, 100_000).map(float), st.floats(width=64, allow_nan=True))
FLAGS = st.one_of(st.just(0), st.integers(0, 65_535))
BAR = st.tuples(INT64, PRICE, PRICE, PRICE, PRICE, INT64, FLAGS)
(KEY,) = page_keys(["7203"], [20_241])
PAGES = st.lists(st.lists(BAR, min_size=1, max_size=40), min_size=1, max_size=8)


def columns_of(pages: list[list[tuple[Any, ...]]]) -> PageColumns:
    bars = [bar for page in pages for bar in page]
    matrix = np.zeros((7, len(bars)), np.int64)
    for row, column in enumerate(zip(*bars, strict=True)):
        is_price = 1 <= row <= 4
        matrix[row] = np.array(column, np.float64).view(np.int64) if is_price else np.array(column, np.int64)
    return PageColumns(tuple(matrix), np.cumsum([0, *map(len, pages)]))


def plain_page(n: int = 50) -> PageColumns:
    return columns_of([[(60 * i, 100.0, 101.0, 99.0, 100.0 + i, 100 * i, 0) for i in range(1, n + 1)]])


def encode(columns: PageColumns) -> list[bytes]:
    return encode_pages(columns, [KEY] * (len(columns.offsets) - 1))


def decode(blobs: list[bytes], key: int = KEY) -> PageColumns:
    return decode_pages(blobs, [key] * len(blobs), name_of=lambda i: f"page-{i}")


@given(PAGES)
def test_round_trip_keeps_every_bit(pages: list[list[tuple[Any, ...]]]) -> None:
    columns = columns_of(pages)

    decoded = decode(encode(columns))

    assert np.array_equal(decoded.rows, columns.rows)
    assert np.array_equal(decoded.offsets, columns.offsets)


@given(PAGES)
def test_a_page_does_not_depend_on_those_beside_it(pages: list[list[tuple[Any, ...]]]) -> None:
    alone = [encode(columns_of([page]))[0] for page in pages]
    assert encode(columns_of(pages)) == alone


@given(PAGES)
def test_prices_are_the_floats_that_went_in(pages: list[list[tuple[Any, ...]]]) -> None:
    decoded = decode(encode(columns_of(pages)))
    closes = np.array([bar[4] for page in pages for bar in page])
    assert np.array_equal(decoded.prices[3], closes, equal_nan=True)


def test_any_flipped_bit_is_noticed() -> None:
    blob = encode(plain_page())[0]
    for bit in range(len(blob) * 8):
        flipped = bytearray(blob)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StoreError, match="page-0"):
            decode([bytes(flipped)])


def test_any_truncation_is_noticed() -> None:
    blob = encode(plain_page())[0]
    for length in range(len(blob)):
        with pytest.raises(StoreError, match="page-0") as refusal:
            decode([blob[:length]])
        assert not refusal.value.retryable


@pytest.mark.parametrize("other", [("7203", 20_240), ("7203", 20_242), ("7201", 20_241), ("", 0)])
def test_page_of_another_symbol_or_session_is_refused(other: tuple[str, int]) -> None:
    (key,) = page_keys([other[0]], [other[1]])
    with pytest.raises(StoreError, match="page-0 is damaged"):
        decode(encode(plain_page()), key)


def test_page_of_an_older_kaboom_is_read_and_gets_a_key() -> None:
    (blob,) = encode(plain_page())
    head = struct.pack("<BBH", 1, CODEC_ZSTD_PLANES, 50)
    old = head + struct.pack("<I", zlib.crc32(head + blob[8:])) + blob[8:]

    assert np.array_equal(decode([old]).rows, plain_page().rows)
    assert add_key(old, KEY) == blob


def test_the_error_names_the_damaged_page_among_many() -> None:
    blobs = encode(columns_of([[(i, 1.0, 1.0, 1.0, 1.0, 1, 0)] for i in range(5)]))
    blobs[3] = blobs[3][:-1] + bytes([blobs[3][-1] ^ 255])
    with pytest.raises(StoreError, match=r"page page-3 is damaged: its crc32 was [0-9a-f]{8}, expected"):
        decode(blobs)


@pytest.mark.parametrize(("at", "value"), [(0, 3), (1, 9)])
def test_an_unknown_version_or_codec_is_refused_by_name(at: int, value: int) -> None:
    blob = bytearray(encode(plain_page())[0])
    blob[at] = value
    blob[4:8] = struct.pack("<I", crc_of(bytes(blob)))
    with pytest.raises(StoreError, match=rf"page-0 has version.*{value}") as refusal:
        decode([bytes(blob)])
    assert not refusal.value.retryable


def test_a_page_that_lies_about_its_length_is_refused() -> None:
    blob = bytearray(encode(plain_page(50))[0])
    blob[2:4] = struct.pack("<H", 49)
    blob[4:8] = struct.pack("<I", crc_of(bytes(blob)))
    with pytest.raises(StoreError, match="49 bars with mask"):
        decode([bytes(blob)])


def test_a_page_holds_between_one_and_65535_bars() -> None:
    full = PageColumns(tuple(np.ones((7, MAX_BARS), np.int64)), np.array([0, MAX_BARS]))
    assert np.shape(decode(encode(full)).rows) == (7, MAX_BARS)
    for n in (0, MAX_BARS + 1):
        with pytest.raises(StoreError, match="1 to 65535 bars"):
            encode(PageColumns(tuple(np.ones((7, n), np.int64)), np.array([0, n])))


def test_no_pages_are_no_bars() -> None:
    nothing = PageColumns(tuple(np.zeros((7, 0), np.int64)), np.array([0]))
    assert encode(nothing) == []
    assert np.shape(decode([]).rows) == (7, 0)


def test_flags_cost_nothing_where_there_are_none() -> None:
    bare = plain_page(327)
    flags = bare.rows[6].copy()
    flags[100] = 300
    flagged = PageColumns((*bare.rows[:6], flags), bare.offsets)

    without, with_one = (len(encode(c)[0]) for c in (bare, flagged))

    # One flag anywhere adds two planes of almost all zeros: some bytes. No flag adds no plane at all.
    assert without < with_one < without + 40
    mask = decode_mask(encode(bare)[0])
    assert mask >> 48 == 0


def crc_of(blob: bytes) -> int:
    return zlib.crc32(blob[:4] + blob[8:], KEY)


def decode_mask(blob: bytes) -> int:
    return int.from_bytes(zstandard.ZstdDecompressor().decompress(blob[8:])[:8], "little")
