"""The SQL of a page file: tables, index, version and connection settings."""

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
