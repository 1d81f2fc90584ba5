"""The refusal of a file, a row or a cell: the file, the line and the column if known, and what was expected."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kaboom.errors import ProviderError


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part of a file that is not used.

    Attributes:
        file: its path below the folder.
        why: the expected and the found value.
        line: the first line, counted from 1; None for the whole file.
        column: the column as the file names it.
        symbol: the symbol of the row; None if it is unknown.
        rows: how many rows are refused for the same cause, None for the whole file.

    """

    file: str
    why: str
    line: int | None = None
    column: str | None = None
    symbol: str | None = None
    rows: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the refusal without its file as JSON types."""
        return {name: getattr(self, name) for name in ("line", "column", "symbol", "rows", "why", "message")}

    @property
    def message(self) -> str:
        """The place and the cause."""
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        place = place if self.column is None else f"{place}, column {self.column}"
        more = f" ({self.rows:,} rows)" if self.rows and self.rows > 1 else ""
        return f"{place}: {self.why}{more}"


class FileRefused(ProviderError):
    """A file that cannot be read as bars; trying again would not help."""

    def __init__(self, path: Path, why: str, *, line: int | None = None) -> None:
        self.refusal = Refusal(path.name, why, line)
        super().__init__(self.refusal.message, retryable=False)

    def of(self, name: str, symbol: str | None) -> Refusal:
        """Return the refusal with the file's name below its folder, and its symbol."""
        return replace(self.refusal, file=name, symbol=symbol)
