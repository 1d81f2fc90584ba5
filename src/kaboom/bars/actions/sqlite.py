"""Corporate actions in a SQLite file beside the pages, shared by the processes of one machine."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
import polars as pl

from kaboom.bars.actions.note_history import DIVIDENDS, FACTORS, TABLES, NoteTable, add_said, prepare_said, read_said
from kaboom.bars.actions.store import KEY, NOTE_SCHEMA
from kaboom.bars.folder.catalogue import Catalogue
from kaboom.bars.folder.connection import BUSY_TIMEOUT_S, connected, has_table
from kaboom.bars.folder.errors import store_errors
from kaboom.bars.folder.lock import folder_lock
from kaboom.bars.normalise import check_source
from kaboom.drivers.clock import utc_now
from kaboom.drivers.durable import make_folders


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
