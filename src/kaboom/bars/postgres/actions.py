"""Corporate actions in tables of PostgreSQL: each change of a note is a row, and the newest one counts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from kaboom.bars.actions.store import KEY, NOTE_SCHEMA
from kaboom.bars.folder.moments import to_us
from kaboom.bars.normalise import check_source
from kaboom.bars.postgres.tables import BarTables, server_time, wait_for_writers, writing
from kaboom.drivers.postgres.blocking import BlockingDatabase, Statements

_NUMBERS = ("ex_session", "noted_at", "at")
_COLUMNS = (*NOTE_SCHEMA, "at")
_SCHEMA = pl.Schema({**NOTE_SCHEMA, **dict.fromkeys(_NUMBERS, pl.Int64())})
_VALUES = ("state", "factor", "amount")
_TYPES = {
    **dict.fromkeys(("factor", "amount"), "float8"),
    **dict.fromkeys(("noted_at", "at"), "bigint"),
    "ex_session": "int",
    "is_dividend": "boolean",
}
_ARRAYS = ", ".join(f"%b::{_TYPES.get(name, 'text')}[]" for name in _COLUMNS)
_NOTES = f"unnest({_ARRAYS}) AS u ({', '.join(_COLUMNS)})"
_KEY = ", ".join(KEY)
_GET = f"""
SELECT DISTINCT ON ({_KEY}) {", ".join(NOTE_SCHEMA)}, at, noted_last FROM bar_note
WHERE source = %s AND at <= %s ORDER BY {_KEY}, at DESC
"""  # noqa: S608 (constants)
_ADD = f"INSERT INTO bar_note (source, {', '.join(_COLUMNS)}, noted_last) SELECT %b, u.*, u.noted_at FROM {_NOTES}"  # noqa: S608 (constants)
_AGAIN = f"""
UPDATE bar_note n SET noted_last = u.noted_at FROM {_NOTES}
WHERE n.source = %b AND {" AND ".join(f"n.{name} = u.{name}" for name in (*KEY, "at"))}
"""  # noqa: S608 (constants)
_FOREVER = 2**62
#: The advisory lock that a writer of notes holds: writers take turns.
_LOCK = 0x6E6F7465


class PostgresActionStore:
    """Notes in the PostgreSQL database of the ledger."""

    def __init__(self, database: BlockingDatabase) -> None:
        self._tables = BarTables(database)

    async def save(self, source: str, notes: pl.DataFrame) -> None:
        check_source(source)
        if notes.height:
            await asyncio.to_thread(_save, self._tables, source, notes)

    async def load(self, source: str, symbols: Sequence[str] = ()) -> pl.DataFrame:
        check_source(source)
        return await asyncio.to_thread(_load, self._tables, source, symbols)

    def known_at(self, moment: datetime) -> "PostgresActionReader":
        return PostgresActionReader(self._tables, moment)

    async def close(self) -> None:
        await asyncio.to_thread(self._tables.database.close)


@dataclass(frozen=True, slots=True)
class PostgresActionReader:
    """The notes as they were known at a moment."""

    tables: BarTables
    moment: datetime

    async def load(self, source: str, symbols: Sequence[str] = ()) -> pl.DataFrame:
        check_source(source)
        return await asyncio.to_thread(_load, self.tables, source, symbols, self.moment)


def _save(tables: BarTables, source: str, notes: pl.DataFrame) -> None:
    notes = notes.unique(KEY, keep="last", maintain_order=True)
    with writing(tables) as sql:
        sql.run("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        held = _fetch(sql, source, _FOREVER, "noted_last")
        both = notes.join(held.select(*KEY, *_VALUES, "at"), on=KEY, how="left", suffix="_held")
        # A note that differs only in its time is no change.
        is_same = pl.all_horizontal(pl.col(name) == pl.col(f"{name}_held") for name in _VALUES).fill_null(value=False)
        moment = pl.max_horizontal(pl.lit(server_time(sql)), pl.col("at") + 1)
        changed, again = both.filter(~is_same).with_columns(at=moment), both.filter(is_same)
        if changed.height:
            sql.run(_ADD, (source, *_to_arrays(changed)))
        if again.height:
            sql.run(_AGAIN, (*_to_arrays(again), source))


def _load(tables: BarTables, source: str, symbols: Sequence[str], moment: datetime | None = None) -> pl.DataFrame:
    if moment is not None:
        wait_for_writers(tables)
    with tables.database.reading() as sql:
        if moment is None:
            found = _fetch(sql, source, _FOREVER, "noted_last")
        else:
            found = _fetch(sql, source, to_us(moment), "noted_at")
    notes = found.select(list(NOTE_SCHEMA)).sort(KEY)
    return notes.filter(pl.col("symbol").is_in(list(symbols))) if symbols else notes


def _fetch(sql: Statements, source: str, at: int, noted: str) -> pl.DataFrame:
    """Return the notes that were known at a time in µs since 1970, in `NOTE_SCHEMA`, and `at`, when each was said."""
    schema = pl.Schema({**_SCHEMA, "noted_last": pl.Int64()})
    rows = pl.DataFrame(sql.rows(_GET, (source, at)), schema=schema, orient="row")
    rows = rows.with_columns(pl.col("ex_session").cast(pl.Int32), noted_at=pl.col(noted))
    return rows.select(list(_SCHEMA)).cast(pl.Schema({**NOTE_SCHEMA, "at": pl.Int64()}))


def _to_arrays(notes: pl.DataFrame) -> list[list[object]]:
    return [notes[name].to_physical().to_list() if name in _NUMBERS else notes[name].to_list() for name in _COLUMNS]
