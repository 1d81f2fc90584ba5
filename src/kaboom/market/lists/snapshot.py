"""Write and read dated lists of issues as CSV files."""

import csv
import io
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.market.calendar import JST
from kaboom.market.listing import Listing, Market

_COLUMNS = ("symbol", "name", "market", "sector33", "scale", "name_en")
_HEADER = re.compile(r"# as_of=(\d{4}-\d{2}-\d{2}) source=(.+?)(?: known_at=(\S+))?")
#: The file name of a list that another list of the same date replaced, with the time of the replacement.
_REPLACED = re.compile(r"listings_.*\.until-(\d+)\.replaced")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All issues listed on one day, and the source of the list."""

    as_of: date
    source: str
    listings: tuple[Listing, ...]
    #: When the list was imported; None for a list that is shipped with Kaboom.
    known_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Delisted:
    """Symbols that were delisted by a day."""

    as_of: date
    symbols: frozenset[str]


def format_snapshot(snapshot: Snapshot) -> str:
    """Return a snapshot as CSV, with its date and source in a comment on the first line."""
    rows = ((s.symbol, s.name, s.market.value, s.sector33, s.scale, s.name_en) for s in snapshot.listings)
    known = f" known_at={snapshot.known_at.isoformat()}" if snapshot.known_at else ""
    return format_dated(snapshot.as_of, f"{snapshot.source}{known}", (_COLUMNS, *rows))


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
    as_of, source, known_at, rows = _split(text, where)
    try:
        listings = tuple(
            # Lists of an older Kaboom have no English names.
            Listing(r["symbol"], r["name"], Market(r["market"]), r["sector33"], r["scale"], r.get("name_en") or "")
            for r in rows
        )
    except (KeyError, ValueError) as e:
        raise InvalidRequest(f"{where} held {e}, expected the columns {','.join(_COLUMNS)}") from e
    return Snapshot(as_of, source, listings, known_at)


def save_snapshot(snapshot: Snapshot, into: Path) -> Path:
    """Save a snapshot to a directory in one step, as known from now on; it replaces one of the same date.

    The replaced one is kept beside it for reads as of an earlier moment. If it is equal, nothing is written.
    """
    into.mkdir(parents=True, exist_ok=True)
    path, now = into / f"listings_{snapshot.as_of.isoformat()}.csv", utc_now()
    draft = path.with_suffix(f".{uuid.uuid4().hex}.draft")
    if path.exists():
        with suppress(InvalidRequest):  # a file that cannot be read is replaced
            if parse_snapshot(path.read_text(encoding="utf-8"), path.name) == snapshot:
                return path
        kept = path.with_name(f"{path.stem}.until-{(now - _EPOCH) // timedelta(microseconds=1)}.replaced")
        # Copied: a mounted bucket has neither hard links nor extended attributes. Old lists need the time of the file.
        shutil.copyfile(path, draft)
        os.utime(draft, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
        draft.replace(kept)
    draft.write_text(format_snapshot(replace(snapshot, known_at=now)), encoding="utf-8")
    draft.replace(path)
    return path


def load_snapshots(imported_dir: Path | None = None, *, known_at: datetime | None = None) -> Iterator[Snapshot]:
    """Yield the snapshots shipped with Kaboom, then those of a directory; each is cached until it changes.

    With `known_at` those that were known at that moment: shipped ones from their date on, imported ones from their
    import on, even if another one has replaced them since.

    Raises:
        InvalidRequest: a file in the directory cannot be read.

    """
    if known_at is None:
        yield from _load_packaged()
        for path in list_imported(imported_dir):
            yield _load_imported(path, state_of(path))
        return
    yield from (each for each in _load_packaged() if datetime.combine(each.as_of, time(), JST) <= known_at)
    for path in (*list_replaced(imported_dir, known_at), *list_imported(imported_dir)):
        snapshot = _load_imported(path, state_of(path))
        # Files of an older Kaboom do not say when they were imported.
        imported_at = snapshot.known_at or datetime.fromtimestamp(path.stat().st_mtime, UTC)
        if imported_at <= known_at:
            yield snapshot


def list_replaced(imported_dir: Path | None, known_at: datetime) -> list[Path]:
    """Return the snapshot files of a directory that were replaced after a moment, the last replaced first."""
    at = (known_at - _EPOCH) // timedelta(microseconds=1)
    found = ((_REPLACED.fullmatch(path.name), path) for path in imported_dir.glob("*.replaced")) if imported_dir else ()
    later = [(int(match[1]), path) for match, path in found if match and int(match[1]) > at]
    return [path for _, path in sorted(later, reverse=True)]


def find_newest_date(imported_dir: Path | None = None) -> date:
    """Return the date of the newest list, shipped or in a directory; only the first line of each file is read.

    Raises:
        InvalidRequest: a file in the directory is not a list.

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
        as_of, _, _, rows = _split(file.read_text(encoding="utf-8"), file.name)
        lists.append(Delisted(as_of, frozenset(row["symbol"] for row in rows)))
    return tuple(lists)


@lru_cache(maxsize=1)
def _load_packaged() -> tuple[Snapshot, ...]:
    return tuple(parse_snapshot(f.read_text(encoding="utf-8"), f.name) for f in _packaged("listings_"))


def _packaged(prefix: str) -> list[Traversable]:
    data = files("kaboom.market") / "data"
    return sorted((f for f in data.iterdir() if f.name.startswith(prefix)), key=lambda f: f.name)


def _split(text: str, where: str) -> tuple[date, str, datetime | None, csv.DictReader[str]]:
    header, _, body = text.partition("\n")
    match = _HEADER.fullmatch(header)
    if match is None:
        raise InvalidRequest(f"{where} began {header[:40]!r}, expected '# as_of=YYYY-MM-DD source=...'")
    known_at = datetime.fromisoformat(match[3]) if match[3] else None
    return date.fromisoformat(match[1]), match[2], known_at, csv.DictReader(io.StringIO(body))
