"""How a file, a row or a cell is refused: the file, the line and the column if known, and what was expected."""

from dataclasses import dataclass, replace
from pathlib import Path

from batch.errors import ProviderError


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is not taken of a file.

    Attributes:
        file: its path below the folder.
        why: what was expected and what was found.
        line: the first line, counted from 1; None for the whole file.
        column: the column as the file names it.
        symbol: whose row it is; None where that is unknown.
        rows: how many rows are refused for the same cause, None for the whole file.

    """

    file: str
    why: str
    line: int | None = None
    column: str | None = None
    symbol: str | None = None
    rows: int | None = None

    @property
    def message(self) -> str:
        """The place and the cause."""
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        place = place if self.column is None else f"{place}, column {self.column}"
        more = f" ({self.rows:,} rows)" if self.rows and self.rows > 1 else ""
        return f"{place}: {self.why}{more}"


class FileRefused(ProviderError):
    """A file that cannot be read as bars; trying again would not help."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message, retryable=False)
        self.refusal = refusal

    def of(self, name: str, symbol: str | None) -> Refusal:
        """Return the refusal with the file's name below its folder, and whose it is."""
        return replace(self.refusal, file=name, symbol=symbol)


def refuse_file(path: Path, why: str, *, line: int | None = None) -> FileRefused:
    """Return the error for a file that cannot be read as bars; trying again would not help."""
    return FileRefused(Refusal(path.name, why, line))
