"""Write and read dated lists of issues as CSV files."""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from batch.errors import InvalidRequest
from batch.market.listing import Listing, Market

_COLUMNS = ("symbol", "name", "market", "sector33", "scale")
_HEADER = re.compile(r"# as_of=(\d{4}-\d{2}-\d{2}) source=(.+)")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All issues listed on one day, and the source of the list."""

    as_of: date
    source: str
    listings: tuple[Listing, ...]


@dataclass(frozen=True, slots=True)
class Delisted:
    """Symbols that were delisted by a day."""

    as_of: date
    symbols: frozenset[str]


def format_snapshot(snapshot: Snapshot) -> str:
    """Return a snapshot as CSV, with its date and source in a comment on the first line."""
    rows = ((s.symbol, s.name, s.market.value, s.sector33, s.scale) for s in snapshot.listings)
    return format_dated(snapshot.as_of, snapshot.source, (_COLUMNS, *rows))


def format_dated(as_of: date, source: str, rows: Iterable[tuple[str, ...]]) -> str:
    """Return rows as CSV below a comment with their date and source."""
    out = io.StringIO()
    out.write(f"# as_of={as_of.isoformat()} source={source}\n")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def parse_snapshot(text: str, where: str) -> Snapshot:
    """Return the snapshot in a CSV of `format_snapshot`; `where` names it in errors.

    Raises:
        InvalidRequest: the text is not such a CSV.

    """
    as_of, source, rows = _split(text, where)
    try:
        listings = tuple(Listing(r["symbol"], r["name"], Market(r["market"]), r["sector33"], r["scale"]) for r in rows)
    except (KeyError, ValueError) as e:
        raise InvalidRequest(f"{where} held {e}, expected the columns {','.join(_COLUMNS)}") from e
    return Snapshot(as_of, source, listings)


def save_snapshot(snapshot: Snapshot, into: Path) -> Path:
    """Save a snapshot to a directory in one step; it replaces one of the same date."""
    into.mkdir(parents=True, exist_ok=True)
    path = into / f"listings_{snapshot.as_of.isoformat()}.csv"
    draft = path.with_suffix(f".{os.getpid()}.draft")
    draft.write_text(format_snapshot(snapshot), encoding="utf-8")
    draft.replace(path)
    return path


def load_snapshots(imported_dir: Path | None = None) -> Iterator[Snapshot]:
    """Yield the snapshots shipped with Kaboom, then those of a directory; each is cached until it changes.

    Raises:
        InvalidRequest: a file in the directory cannot be read.

    """
    yield from _load_packaged()
    for path in list_imported(imported_dir):
        yield _load_imported(path, state_of(path))


def find_newest_date(imported_dir: Path | None = None) -> date:
    """Return the date of the newest list, shipped or in a directory; only the first line of each file is read.

    Raises:
        InvalidRequest: a file in the directory is no list.

    """
    dates = []
    for file in (*_packaged("listings_"), *list_imported(imported_dir)):
        with file.open(encoding="utf-8") as opened:
            dates.append(_split(opened.readline(), file.name)[0])
    return max(dates)


def list_imported(imported_dir: Path | None) -> list[Path]:
    """Return the snapshot files of a directory, by name; none without a directory."""
    return sorted(imported_dir.glob("*.csv")) if imported_dir else []


def state_of(path: Path) -> tuple[int, int]:
    """Return the modification time and the size of a file, which change with its content."""
    state = path.stat()
    return state.st_mtime_ns, state.st_size


@lru_cache(maxsize=16)
def _load_imported(path: Path, _state: tuple[int, int]) -> Snapshot:
    return parse_snapshot(path.read_text(encoding="utf-8"), path.name)


@lru_cache(maxsize=1)
def load_delisted() -> tuple[Delisted, ...]:
    """Return the shipped lists of delisted symbols, oldest first."""
    lists = []
    for file in _packaged("delisted_"):
        as_of, _, rows = _split(file.read_text(encoding="utf-8"), file.name)
        lists.append(Delisted(as_of, frozenset(row["symbol"] for row in rows)))
    return tuple(lists)


@lru_cache(maxsize=1)
def _load_packaged() -> tuple[Snapshot, ...]:
    return tuple(parse_snapshot(f.read_text(encoding="utf-8"), f.name) for f in _packaged("listings_"))


def _packaged(prefix: str) -> list[Traversable]:
    data = files("batch.market") / "data"
    return sorted((f for f in data.iterdir() if f.name.startswith(prefix)), key=lambda f: f.name)


def _split(text: str, where: str) -> tuple[date, str, csv.DictReader[str]]:
    header, _, body = text.partition("\n")
    match = _HEADER.fullmatch(header.rstrip("\r"))
    if match is None:
        raise InvalidRequest(f"{where} began {header[:40]!r}, expected '# as_of=YYYY-MM-DD source=...'")
    return date.fromisoformat(match[1]), match[2], csv.DictReader(io.StringIO(body))
