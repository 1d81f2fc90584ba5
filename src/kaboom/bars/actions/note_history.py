"""The history of the notes of corporate actions: each change of a note, kept in the file of the notes.

Row 0 has the moment from which the history is complete. Moments are microseconds since 1970, UTC, and never decrease.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kaboom.bars.folder.connection import has_table
from kaboom.bars.folder.moments import check_begin, last_change_us, to_us


@dataclass(frozen=True, slots=True)
class NoteTable:
    """A table of notes.

    Attributes:
        name: the table.
        said: the table of its changes.
        value: the column of the number: a factor, or yen a share.

    """

    name: str
    said: str
    value: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns, in their order."""
        return ("symbol", "ex_session", "origin", "state", self.value, "noted_at")

    @property
    def listed(self) -> str:
        """Its columns as SQL."""
        return ", ".join(self.columns)

    def create(self, sql: sqlite3.Connection) -> None:
        """Create the table, unless it exists."""
        sql.execute(
            f"CREATE TABLE IF NOT EXISTS {self.name} (symbol TEXT NOT NULL, ex_session TEXT NOT NULL,"
            f" origin TEXT NOT NULL, state TEXT NOT NULL, {self.value} REAL NOT NULL, noted_at INTEGER NOT NULL,"
            " PRIMARY KEY (symbol, ex_session, origin)) STRICT, WITHOUT ROWID"
        )


FACTORS = NoteTable("note", "said", "factor")
#: Dividends have a separate table, which releases without dividends ignore.
DIVIDENDS = NoteTable("dividend", "dividend_said", "amount")
TABLES = (FACTORS, DIVIDENDS)


def prepare_said(sql: sqlite3.Connection, table: NoteTable, path: Path) -> None:
    """Create the history of a table in the caller's transaction: complete if the table is new, else from now."""
    if has_table(sql, table.said):
        return
    is_new = not sql.execute(f"SELECT EXISTS (SELECT 1 FROM {table.name})").fetchone()[0]
    begin_said(sql, table, 0 if is_new else last_change_us(path))


def begin_said(sql: sqlite3.Connection, table: NoteTable, begins: int) -> None:
    """Begin the history of a table at a moment (microseconds since 1970) with the notes in the table."""
    sql.execute(
        f"CREATE TABLE {table.said} (no INTEGER PRIMARY KEY, at INTEGER NOT NULL, symbol TEXT NOT NULL,"
        f" ex_session TEXT NOT NULL, origin TEXT NOT NULL, state TEXT NOT NULL, {table.value} REAL NOT NULL,"
        " noted_at INTEGER NOT NULL) STRICT"
    )
    sql.execute(f"INSERT INTO {table.said} VALUES (0, ?, '', '', '', '', 0.0, 0)", (begins,))
    sql.execute(f"INSERT INTO {table.said} (at, {table.listed}) SELECT ?, {table.listed} FROM {table.name}", (begins,))


def add_said(sql: sqlite3.Connection, table: NoteTable, rows: Sequence[tuple[object, ...]], now: datetime) -> None:
    """Add the notes that differ from the saved ones to the history; the caller's transaction saves them afterwards."""
    (last,) = sql.execute(f"SELECT max(at) FROM {table.said}").fetchone()
    at = max(to_us(now), last + 1)
    # A note that differs only in its time is no change.
    changed = (
        f"INSERT INTO {table.said} (at, {table.listed}) SELECT ?7, ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS ("
        f"SELECT 1 FROM {table.name} WHERE symbol = ?1 AND ex_session = ?2 AND origin = ?3 AND state = ?4"
        f" AND {table.value} = ?5)"
    )
    sql.executemany(changed, [(*row, at) for row in rows])


def read_said(sql: sqlite3.Connection, table: NoteTable, path: Path, moment: datetime) -> list[tuple[object, ...]]:
    """Return the notes that were known at a moment, inside a transaction that keeps writers out.

    Raises:
        InvalidRequest: the history begins after the moment.

    """
    at = to_us(moment)
    if not has_table(sql, table.said):
        if table is not FACTORS:
            return []  # no note was ever saved
        check_begin(path, last_change_us(path), at)
        return sql.execute(f"SELECT {table.listed} FROM {table.name}").fetchall() if has_table(sql, table.name) else []
    check_begin(path, sql.execute(f"SELECT at FROM {table.said} WHERE no = 0").fetchone()[0], at)
    latest = f"SELECT max(no) FROM {table.said} WHERE no > 0 AND at <= ? GROUP BY symbol, ex_session, origin"
    return sql.execute(f"SELECT {table.listed} FROM {table.said} WHERE no IN ({latest})", (at,)).fetchall()
