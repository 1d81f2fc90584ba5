"""The SQL of a page file: tables, index, version, connection settings, and the header of a page with its checksums."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kaboom.bars.pages.codec import Ints, PageColumns, symbol_key

#: `PRAGMA user_version` of a page file; a file with a higher one was written by a newer Kaboom.
FORMAT_VERSION = 2
#: The version of files whose pages have no checksums of their headers. The next write makes them `FORMAT_VERSION`.
UNSUMMED_VERSION = 1
#: A page's id is `bucket << SID_BITS | sid`: one session is one range of ids, one symbol's page one look-up.
SID_BITS = 20

#: Columns of `page` beside its blob. o, h, l, c, v and last_flags are those of the page's newest bar, for `latest` and
#: `last_closes`; flags is the OR of all flags, flagged counts the bars that have any. newest_sum is the checksum of the
#: newest bar, cover_sum that of the columns of the index. A page of an older Kaboom has NULL in place of the checksums.
HEADER = (
    *("n", "first_ts", "last_ts", "o", "h", "l", "c", "v", "last_flags", "newest_sum"),
    *("flags", "flagged", "cover_sum"),
)
SUMS = ("newest_sum", "cover_sum")

#: The fetch log. Files of older versions get it with the first entry.
CREATE_FETCH_LOG = """
CREATE TABLE IF NOT EXISTS asked (
    sid INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    bars INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (sid, first, last)
) STRICT, WITHOUT ROWID;
"""

#: The replaced bars, and the moment of each write that changed a bar.
CREATE_HISTORY = """
CREATE TABLE IF NOT EXISTS moment (no INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS replaced (
    page INTEGER NOT NULL,
    no INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (page, no)
) STRICT, WITHOUT ROWID;
"""

_INDEX = "CREATE INDEX cov ON page (sid, bucket, n, first_ts, last_ts, flagged, flags, cover_sum)"
#: The statements that make a file of `UNSUMMED_VERSION` one of `FORMAT_VERSION`, inside a transaction.
ADD_SUMS = (
    *(f"ALTER TABLE page ADD COLUMN {name} INTEGER" for name in SUMS),
    "DROP INDEX cov",
    _INDEX,
    f"PRAGMA user_version = {FORMAT_VERSION}",
)

#: The history of a new file is complete from the beginning.
_FIRST_MOMENT = "INSERT INTO moment VALUES (0, 0);"

# 16 KiB hold seven full days; 8 KiB take a seventh more disk, and with 32 KiB a small change writes twice the bytes.
CREATE = f"""
PRAGMA synchronous = FULL;
PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE sym (id INTEGER PRIMARY KEY, symbol TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE page (
    id INTEGER PRIMARY KEY,
    sid INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    n INTEGER NOT NULL,
    first_ts INTEGER NOT NULL,
    last_ts INTEGER NOT NULL,
    o REAL NOT NULL,
    h REAL NOT NULL,
    l REAL NOT NULL,
    c REAL NOT NULL,
    v INTEGER NOT NULL,
    last_flags INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    flagged INTEGER NOT NULL,
    data BLOB NOT NULL,
    since INTEGER,
    grown BLOB,
    newest_sum INTEGER,
    cover_sum INTEGER
) STRICT;
{_INDEX};
CREATE TABLE quarantine (
    symbol TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    open REAL,
    high REAL,
    low REAL,
    close REAL,
    volume REAL,
    file TEXT,
    line INTEGER,
    PRIMARY KEY (symbol, opened_at, reason)
) STRICT, WITHOUT ROWID;
{CREATE_FETCH_LOG}
{CREATE_HISTORY}
{_FIRST_MOMENT}
PRAGMA user_version = {FORMAT_VERSION};
COMMIT;
"""

#: Per connection. FULL makes COMMIT wait for the disk. Files are memory-mapped, which halves the time of a read. The
#: write-ahead log is checkpointed at 32 MiB.
CONNECTION = """
PRAGMA synchronous = FULL;
PRAGMA cache_size = -16384;
PRAGMA wal_autocheckpoint = 2000;
PRAGMA mmap_size = 1073741824;
"""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


def page_headers(columns: PageColumns, symbols: Sequence[str], buckets: Sequence[int]) -> list[tuple[int | float, ...]]:
    """Return the `schema.HEADER` of every page; no page may be empty."""
    starts, last = columns.offsets[:-1], columns.offsets[1:] - 1
    seconds, flags = columns.seconds, columns.rows[6]
    seen = np.bitwise_or.reduceat(flags, starts)
    flagged = np.add.reduceat(flags != 0, starts, dtype=np.int64) if seen.any() else seen
    counts, keys = np.diff(columns.offsets), keys_of(symbols)
    newest = (seconds[last], *(price[last] for price in columns.prices), columns.rows[5][last], flags[last])
    cover = (np.array(buckets, np.int64), counts, seconds[starts], seconds[last], flagged, seen)
    sums = sum_words(keys, newest), sum_words(keys, cover)
    fields = (counts, seconds[starts], *newest, sums[0], seen, flagged, sums[1])
    return list(zip(*(field.tolist() for field in fields), strict=True))


def keys_of(symbols: Sequence[str]) -> Ints:
    """Return the numbers that stand for symbols in checksums."""
    return np.fromiter(map(symbol_key, symbols), np.int64, len(symbols))


def sum_words(keys: Ints, words: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.int32]:
    """Return the checksum of each row of some columns of 64-bit numbers, begun with the keys of their symbols.

    Not a CRC: numpy computes this for a whole market at once, in a few operations for each column.
    """
    total = keys.view(np.uint64) * _FACTOR
    for word in words:
        # SQLite keeps -0.0 as 0.
        exact = word + 0.0 if word.dtype == np.float64 else word
        total ^= total >> _HALF
        total = (total ^ exact.view(np.uint64)) * _FACTOR
    return (total >> _HALF).astype(np.uint32).view(np.int32)
