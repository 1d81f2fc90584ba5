"""The tables of a file of corporate actions: notes of factors, notes of dividends, and the changes of both."""

import sqlite3
from dataclasses import dataclass


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
