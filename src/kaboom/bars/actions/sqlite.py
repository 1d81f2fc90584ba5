"""Corporate actions in a SQLite file beside the pages: their history, and what can be saved of a damaged file."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
import polars as pl

from kaboom.bars.actions.store import KEY, NOTE_SCHEMA
from kaboom.bars.folder.catalogue import Catalogue
from kaboom.bars.folder.connection import BUSY_TIMEOUT_S, connected, folder_lock, has_table, store_errors
from kaboom.bars.folder.moments import check_begin, last_change_us, to_us
from kaboom.bars.normalise import check_source
from kaboom.drivers.clock import utc_now
from kaboom.drivers.disk import make_folders
from kaboom.errors import StoreDamaged, StoreError

FILE = "actions.sqlite"


# Row 0 has the moment from which the history is complete. Moments are microseconds since 1970, UTC, and never decrease.
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


class SqliteActionStore:
    """Notes in `<root>/<source>/actions.sqlite`, on a local disk (not NFS).

    Each call opens a connection (a load takes 1 ms), so nothing is inherited by a fork and nothing needs closing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._catalogue = Catalogue(root)

    async def save(self, source: str, notes: pl.DataFrame) -> None:
        path = self._path(source)
        if notes.height:
            await asyncio.to_thread(_save, path, notes, self._catalogue)

    async def load(self, source: str, symbols: Sequence[str] = ()) -> pl.DataFrame:
        return await asyncio.to_thread(_load, self._path(source), symbols)

    def known_at(self, moment: datetime) -> "SqliteActionReader":
        return SqliteActionReader(self._path, moment)

    async def close(self) -> None:
        pass

    def _path(self, source: str) -> Path:
        check_source(source)
        return self._root / source / "actions.sqlite"


@dataclass(frozen=True, slots=True)
class SqliteActionReader:
    """The notes as they were known at a moment; `path` gives the file of a source."""

    path: Callable[[str], Path]
    moment: datetime

    async def load(self, source: str, symbols: Sequence[str] = ()) -> pl.DataFrame:
        notes = await asyncio.to_thread(_load_at, self.path(source), self.moment)
        return notes.filter(pl.col("symbol").is_in(list(symbols))) if symbols else notes


def _save(path: Path, notes: pl.DataFrame, catalogue: Catalogue) -> None:
    rows = {table: _to_rows(notes, table) for table in TABLES}
    with store_errors(path):
        make_folders(path.parent)
        with folder_lock(path.parent, is_shared=True, within_s=BUSY_TIMEOUT_S), connected(path, "mode=rwc") as sql:
            sql.execute("PRAGMA synchronous = FULL")
            sql.execute("BEGIN IMMEDIATE")
            # A file always has the table of factors: older releases cannot read a file without it.
            FACTORS.create(sql)
            for table, some in rows.items():
                if some or table is FACTORS:
                    table.create(sql)
                    prepare_said(sql, table, path)
                    add_said(sql, table, some, utc_now())
                    sql.executemany(f"INSERT OR REPLACE INTO {table.name} VALUES (?, ?, ?, ?, ?, ?)", some)
            sql.execute("COMMIT")
        catalogue.note(path)


def _load(path: Path, symbols: Sequence[str]) -> pl.DataFrame:
    if not path.exists():
        return _to_notes({})
    with connected(path, "mode=rw") as sql:
        # One snapshot of both tables, which a new file has from its first commit on.
        sql.execute("BEGIN")
        return _to_notes({table: _select(sql, table, symbols) for table in TABLES if has_table(sql, table.name)})


def _select(sql: sqlite3.Connection, table: NoteTable, symbols: Sequence[str]) -> list[tuple[object, ...]]:
    every = f"SELECT {table.listed} FROM {table.name}"
    if not symbols:
        return sql.execute(every).fetchall()
    some = f"{every} WHERE symbol IN (SELECT value FROM json_each(?))"
    return sql.execute(some, (orjson.dumps(symbols).decode(),)).fetchall()


def _load_at(path: Path, moment: datetime) -> pl.DataFrame:
    if not path.exists():
        return _to_notes({})
    with connected(path, "mode=rw") as sql:
        # Waits for a writer whose moment may be earlier.
        sql.execute("BEGIN IMMEDIATE")
        try:
            return _to_notes({table: read_said(sql, table, path, moment) for table in TABLES})
        finally:
            sql.execute("ROLLBACK")


def _to_rows(notes: pl.DataFrame, table: NoteTable) -> list[tuple[object, ...]]:
    plain = notes.with_columns(pl.col("ex_session").cast(pl.String), pl.col("noted_at").to_physical())
    return plain.filter(pl.col("is_dividend") == (table is DIVIDENDS)).select(table.columns).rows()


def _to_notes(rows: Mapping[NoteTable, Sequence[tuple[object, ...]]]) -> pl.DataFrame:
    frames = [pl.DataFrame(schema=NOTE_SCHEMA)]
    for table, some in rows.items():
        types = {name: NOTE_SCHEMA[name] for name in table.columns} | {
            "ex_session": pl.String(),
            "noted_at": pl.Int64(),
        }
        found = pl.DataFrame(some, schema=types, orient="row").with_columns(
            pl.col("ex_session").str.to_date("%Y-%m-%d"),
            is_dividend=pl.lit(table is DIVIDENDS),
            **{"factor": pl.lit(1.0)} if table is DIVIDENDS else {"amount": pl.lit(0.0)},
        )
        frames.append(found.select(list(NOTE_SCHEMA)).cast(NOTE_SCHEMA))
    return pl.concat(frames).sort(KEY)


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
