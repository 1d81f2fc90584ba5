"""The SQL of a page file: tables, index, version and connection settings."""

#: `PRAGMA user_version` of a page file; a file with a higher one was written by a newer Kaboom.
FORMAT_VERSION = 1
#: A page's id is `bucket << SID_BITS | sid`: one session is one range of ids, one symbol's page one look-up.
SID_BITS = 20

#: Columns of `page` before its blob. o, h, l, c, v and last_flags are those of the page's newest bar, so that
#: neither `latest` nor `last_closes` reads a blob; flags is the OR of all, flagged counts bars with any.
HEADER = ("n", "first_ts", "last_ts", "o", "h", "l", "c", "v", "last_flags", "flags", "flagged")

#: Not in a file that an older Kaboom made, until the first answer is kept in it.
CREATE_ASKED = """
CREATE TABLE IF NOT EXISTS asked (
    sid INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    bars INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (sid, first, last)
) STRICT, WITHOUT ROWID;
"""

# 16 KiB hold seven pages of a full day, with a seventh less disk than 8 KiB, which hold three; fewer frames to sync.
# At 4 KiB a second one often just does not fit; 32 KiB save nothing more, and each small change writes twice as much.
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
    data BLOB NOT NULL
) STRICT;
CREATE INDEX cov ON page (sid, bucket, n, first_ts, last_ts, flagged, flags);
CREATE TABLE quarantine (
    symbol TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    open REAL,
    high REAL,
    low REAL,
    close REAL,
    volume REAL,
    PRIMARY KEY (symbol, opened_at, reason)
) STRICT, WITHOUT ROWID;
{CREATE_ASKED}
PRAGMA user_version = {FORMAT_VERSION};
COMMIT;
"""

#: Per connection. FULL makes COMMIT wait for the disk, which is what an acknowledgement means. A file is mapped: a read
#: of 16 KiB for each page of a symbol takes as long as all the rest, and drives what is being worked on from the cache.
#: The log is folded in at 32 MiB, every five days that are written: at 16 MiB each second day took a sixth longer.
CONNECTION = """
PRAGMA synchronous = FULL;
PRAGMA cache_size = -16384;
PRAGMA wal_autocheckpoint = 2000;
PRAGMA mmap_size = 1073741824;
"""
