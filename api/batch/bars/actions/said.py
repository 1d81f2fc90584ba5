"""What was known of corporate actions at a moment: each change of a note, in the file of the notes.

Row 0 says from which moment on the changes are whole. Moments are microseconds since 1970, UTC, and never fall.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from batch.bars.folder.moments import check_begin, last_change_us, to_us

_HAS = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'said')"
_CREATE = """
CREATE TABLE said (
    no INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    ex_session TEXT NOT NULL,
    origin TEXT NOT NULL,
    state TEXT NOT NULL,
    factor REAL NOT NULL,
    noted_at INTEGER NOT NULL
) STRICT
"""
_BEGIN = "INSERT INTO said VALUES (0, ?, '', '', '', '', 0.0, 0)"
_PRESENT = (
    "INSERT INTO said (at, symbol, ex_session, origin, state, factor, noted_at)"
    " SELECT ?, symbol, ex_session, origin, state, factor, noted_at FROM note"
)
#: Saving a note again, with another time only, says nothing new.
_CHANGED = """
INSERT INTO said (at, symbol, ex_session, origin, state, factor, noted_at)
SELECT :at, :symbol, :ex_session, :origin, :state, :factor, :noted_at WHERE NOT EXISTS (
    SELECT 1 FROM note WHERE symbol = :symbol AND ex_session = :ex_session AND origin = :origin
    AND state = :state AND factor = :factor
)
"""
_AT = """
SELECT symbol, ex_session, origin, state, factor, noted_at FROM said WHERE no IN (
    SELECT max(no) FROM said WHERE no > 0 AND at <= ? GROUP BY symbol, ex_session, origin
)
"""


def prepare_said(sql: sqlite3.Connection, path: Path) -> None:
    """Give a file its changes, inside the caller's transaction: of a new file from the beginning, else from now on."""
    if sql.execute(_HAS).fetchone()[0]:
        return
    is_new = not sql.execute("SELECT EXISTS (SELECT 1 FROM note)").fetchone()[0]
    begin_said(sql, 0 if is_new else last_change_us(path))


def begin_said(sql: sqlite3.Connection, begins: int) -> None:
    """Begin the changes of a file at a moment (microseconds since 1970) with the notes that are in it."""
    sql.execute(_CREATE)
    sql.execute(_BEGIN, (begins,))
    sql.execute(_PRESENT, (begins,))


def add_said(sql: sqlite3.Connection, rows: Sequence[dict[str, Any]], now: datetime) -> None:
    """Keep what notes say that the saved ones do not, inside the caller's transaction and before it saves them."""
    (last,) = sql.execute("SELECT max(at) FROM said").fetchone()
    at = max(to_us(now), last + 1)
    for row in rows:
        sql.execute(_CHANGED, {**row, "at": at})


def read_said(sql: sqlite3.Connection, path: Path, moment: datetime) -> list[tuple[object, ...]]:
    """Return the notes that were known at a moment, inside a transaction that keeps writers out.

    Raises:
        InvalidRequest: the changes begin after the moment.

    """
    at = to_us(moment)
    if not sql.execute(_HAS).fetchone()[0]:
        check_begin(path, last_change_us(path), at)
        has_notes = sql.execute("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'note')").fetchone()[0]
        present = "SELECT symbol, ex_session, origin, state, factor, noted_at FROM note"
        return sql.execute(present).fetchall() if has_notes else []
    check_begin(path, sql.execute("SELECT at FROM said WHERE no = 0").fetchone()[0], at)
    return sql.execute(_AT, (at,)).fetchall()
