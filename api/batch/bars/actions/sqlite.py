"""Corporate actions in a SQLite file beside the pages, shared by the processes of one machine."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
import polars as pl

from batch.bars.actions.said import add_said, prepare_said, read_said
from batch.bars.actions.store import KEY, NOTE_SCHEMA
from batch.bars.folder.catalogue import Catalogue
from batch.bars.folder.errors import store_errors
from batch.bars.folder.lock import folder_lock
from batch.bars.normalise import check_source
from batch.kit.clock import Clock, utc_now
from batch.kit.durable import make_folders

COLUMNS = ("symbol", "ex_session", "origin", "state", "factor", "noted_at")
CREATE_NOTES = """
CREATE TABLE IF NOT EXISTS note (
    symbol TEXT NOT NULL,
    ex_session TEXT NOT NULL,
    origin TEXT NOT NULL,
    state TEXT NOT NULL,
    factor REAL NOT NULL,
    noted_at INTEGER NOT NULL,
    PRIMARY KEY (symbol, ex_session, origin)
) STRICT, WITHOUT ROWID
"""
_PUT = "INSERT OR REPLACE INTO note VALUES (?, ?, ?, ?, ?, ?)"
_ALL = f"SELECT {', '.join(COLUMNS)} FROM note"  # noqa: S608  a constant
_SOME = f"{_ALL} WHERE symbol IN (SELECT value FROM json_each(?))"  # noqa: S608  a constant
_BUSY_TIMEOUT_S = 60.0


class SqliteActionStore:
    """Notes in `<root>/<source>/actions.sqlite`, on a local disk (not NFS).

    Each call opens a connection (a load takes 1 ms), so nothing is inherited by a fork and nothing needs closing.
    """

    def __init__(self, root: Path, *, clock: Clock = utc_now) -> None:
        self._root = root
        self._clock = clock
        self._catalogue = Catalogue(root)

    async def save(self, source: str, notes: pl.DataFrame) -> None:
        path = self._path(source)
        if notes.height:
            await asyncio.to_thread(_save, path, notes, self._catalogue, self._clock)

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


def _save(path: Path, notes: pl.DataFrame, catalogue: Catalogue, clock: Clock) -> None:
    plain = notes.with_columns(pl.col("ex_session").cast(pl.String), pl.col("noted_at").to_physical())
    rows = plain.rows()
    with store_errors(path):
        make_folders(path.parent)
        with folder_lock(path.parent, is_shared=True, within_s=_BUSY_TIMEOUT_S), _connected(path, "rwc") as sql:
            sql.execute("PRAGMA synchronous = FULL")
            sql.execute("BEGIN IMMEDIATE")
            sql.execute(CREATE_NOTES)
            prepare_said(sql, path)
            add_said(sql, plain.to_dicts(), clock())
            sql.executemany(_PUT, rows)
            sql.execute("COMMIT")
        catalogue.note(path)


def _load(path: Path, symbols: Sequence[str]) -> pl.DataFrame:
    rows: list[tuple[object, ...]] = []
    if path.exists():
        with _connected(path, "rw") as sql:
            # A new file has no table until its first commit.
            if sql.execute("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'note')").fetchone()[0]:
                found = sql.execute(_SOME, (orjson.dumps(symbols).decode(),)) if symbols else sql.execute(_ALL)
                rows = found.fetchall()
    return _to_notes(rows)


def _load_at(path: Path, moment: datetime) -> pl.DataFrame:
    if not path.exists():
        return _to_notes([])
    with _connected(path, "rw") as sql:
        # Waits for a writer whose moment may be earlier.
        sql.execute("BEGIN IMMEDIATE")
        try:
            return _to_notes(read_said(sql, path, moment))
        finally:
            sql.execute("ROLLBACK")


def _to_notes(rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    types = {**NOTE_SCHEMA, "ex_session": pl.String(), "noted_at": pl.Int64()}
    notes = pl.DataFrame(rows, schema=types, orient="row").with_columns(pl.col("ex_session").str.to_date("%Y-%m-%d"))
    return notes.cast(NOTE_SCHEMA).sort(KEY)


@contextmanager
def _connected(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    address = f"{path.absolute().as_uri()}?mode={mode}"
    with (
        store_errors(path),
        closing(sqlite3.connect(address, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as sql,
    ):
        yield sql
