"""Damage of a file of corporate actions: finding it, and copying the readable notes."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from kaboom.bars.actions.note_history import FACTORS, TABLES, NoteTable, begin_said
from kaboom.bars.folder.connection import connected
from kaboom.bars.folder.moments import to_us
from kaboom.drivers.clock import utc_now
from kaboom.errors import StoreDamaged, StoreError

FILE = "actions.sqlite"


def find_action_files(root: Path) -> list[Path]:
    """Return the files of corporate actions under a root, sorted."""
    return sorted(path for path in root.glob(f"*/{FILE}") if path.parent.name[:1].isalpha())


def find_damage(path: Path) -> str:
    """Return the damage of a file of corporate actions; "" if it is sound.

    Raises:
        StoreError: the file cannot be reached.

    """
    if not path.exists():
        return "it is missing"
    try:
        with connected(path, "mode=rw") as sql:
            wrong = [" ".join(row[0].split()) for row in sql.execute("PRAGMA integrity_check") if row[0] != "ok"]
            if wrong:
                return "; ".join(wrong[:3])
            found = {table: [row[1] for row in sql.execute(f"PRAGMA table_info({table.name})")] for table in TABLES}
            has_any = sql.execute("SELECT EXISTS (SELECT 1 FROM sqlite_schema)").fetchone()[0]
    except StoreDamaged as e:
        return e.damage
    for table, columns in found.items():
        # A new file has no table until its first commit, and one of dividends only with the first of them.
        is_needed = bool(columns) or (table is FACTORS and has_any)
        if is_needed and columns != list(table.columns):
            return f"the columns of {table.name} are {columns}, expected {list(table.columns)}"
    return ""


def salvage_notes(damaged: Path, fresh: Path) -> int:
    """Write a new file with the notes that can be read of a damaged one, which may be missing; return how many.

    The history of the new file begins now.

    Raises:
        sqlite3.Error: the new file could not be written.

    """
    kept = 0
    with closing(sqlite3.connect(fresh, isolation_level=None)) as sql:
        sql.execute("BEGIN")
        for table in TABLES:
            table.create(sql)
            if damaged.exists():
                kept += _copy(damaged, sql, table)
            begin_said(sql, table, to_us(utc_now()))
        sql.execute("COMMIT")
    return kept


def _copy(damaged: Path, sql: sqlite3.Connection, table: NoteTable) -> int:
    kept = 0
    with suppress(StoreError), connected(damaged, "mode=rw") as old:
        # Without this, SQLite reads nothing of a truncated file.
        old.execute("PRAGMA writable_schema = ON")
        for row in old.execute(f"SELECT {table.listed} FROM {table.name}"):
            with suppress(sqlite3.IntegrityError):
                sql.execute(f"INSERT INTO {table.name} VALUES (?, ?, ?, ?, ?, ?)", row)
                kept += 1
    return kept
