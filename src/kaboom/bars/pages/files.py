"""Paths of page files, and one SQLite connection per process, thread and file."""

import os
import re
import sqlite3
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaboom.bars.folder.catalogue import Catalogue
from kaboom.bars.folder.connection import BUSY_TIMEOUT_S, REPAIR, store_errors
from kaboom.bars.normalise import check_source, name_bucket
from kaboom.bars.pages.schema import CONNECTION, CREATE, FORMAT_VERSION, UNSUMMED_VERSION
from kaboom.drivers.disk import make_folders, sync
from kaboom.errors import InvalidRequest, StoreDamaged, StoreError
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval

if TYPE_CHECKING:
    import polars as pl

#: The file of daily bars, and the file of quarantined rows without a time.
ALL, UNDATED = "all", "undated"
_SHARD = re.compile(rf"\d{{4}}-\d{{2}}|{ALL}|{UNDATED}")
_FILES_OPEN_PER_THREAD = 8
#: Pauses between two tries to take a file's write lock. The shortest is a third of the time of a write.
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.0003, 0.01

# Connections that a fork copied into a child. They must not be used or closed there: closing one could remove the
# parent's WAL (sqlite.org/howtocorrupt.html, 2.6). This list keeps them open.
_inherited: list[object] = []


@dataclass(slots=True)
class PageFile:
    """An open page file.

    Attributes:
        identity: device and inode.
        busy_timeout_s: how long to wait for another writer.
        size: how many bytes the file had when it was last opened.
        is_current: whether the file is known to have what a writer of this version needs.
        sids: the ids of symbols: once committed they never change.
        cached: the newest result of each kind of query, with the state of the file and the range that it is for.

    """

    path: Path
    sql: sqlite3.Connection
    identity: tuple[int, int]
    busy_timeout_s: float
    size: int = 0
    is_current: bool = False
    sids: dict[str, int] = field(default_factory=dict)
    cached: "dict[str, tuple[tuple[int, ...], pl.DataFrame]]" = field(default_factory=dict)

    def begin(self) -> None:
        """Take the write lock.

        Polls more often than SQLite's own busy handler, since a holder returns the lock within milliseconds.

        Raises:
            sqlite3.OperationalError: the lock was not free within `busy_timeout_s`.

        """
        deadline, pause_s = time.monotonic() + self.busy_timeout_s, _SHORTEST_PAUSE_S
        self.sql.execute("PRAGMA busy_timeout = 0")
        try:
            while not self._is_begun(deadline):
                time.sleep(pause_s)
                pause_s = min(pause_s * 1.1, _LONGEST_PAUSE_S)
        finally:
            self.sql.execute(f"PRAGMA busy_timeout = {round(self.busy_timeout_s * 1000)}")

    def _is_begun(self, deadline: float) -> bool:
        try:
            self.sql.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as e:
            if e.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            return False
        return True

    def check_in_place(self) -> None:
        """Raise a retryable StoreError if another file has taken its path; call this under its lock."""
        stat = self.path.stat()
        if (stat.st_dev, stat.st_ino) != self.identity:
            raise StoreError(f"bar file {self.path} was replaced a moment ago")

    def remember(self, kind: str, between: tuple[int, int], read: "Callable[[], pl.DataFrame]") -> "pl.DataFrame":
        """Return the result of `read` for a range, from the cache if nobody has committed since."""
        # The data version counts commits of others, `total_changes` our own.
        (version,) = self.sql.execute("PRAGMA data_version").fetchone()
        key = (version, self.sql.total_changes, *between)
        if kind not in self.cached or self.cached[kind][0] != key:
            self.cached[kind] = key, read()
        return self.cached[kind][1]


class PageFiles:
    """The page files under a root: `<root>/<source>/<interval>/<YYYY-MM | all>.sqlite`."""

    def __init__(self, root: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.root = root
        self.catalogue = Catalogue(root)
        self._busy_timeout_s = busy_timeout_s
        self._guard = threading.Lock()
        self._pid = os.getpid()
        self._open: dict[int, OrderedDict[Path, PageFile]] = {}

    def path(self, series: BarSeries, shard: str) -> Path:
        """Return the path of a shard of a series, whether or not it exists.

        Raises:
            InvalidRequest: the source's name could leave the root.

        """
        return _build_path(self.root, series, shard)

    def shards(self, series: BarSeries) -> list[str]:
        """Return the names of a series' files, oldest first."""
        folder = self.path(series, ALL).parent
        with store_errors(folder):
            try:
                with os.scandir(folder) as entries:
                    names = [entry.name for entry in entries]
            except (FileNotFoundError, NotADirectoryError):
                return []
        stems = (n.removesuffix(".sqlite") for n in names if n.endswith(".sqlite"))
        return sorted(s for s in stems if _SHARD.fullmatch(s))

    def series(self) -> Iterator[BarSeries]:
        """Yield every series that has a file, sorted."""
        with store_errors(self.root):
            sources = sorted(e.name for e in self.root.iterdir()) if self.root.exists() else []
        for source in sources:
            with suppress(InvalidRequest):  # a folder that is not of Kaboom, such as lost+found
                check_source(source)
                yield from (s for i in sorted(Interval) if self.shards(s := BarSeries(source, i)))

    def lost(self) -> list[Path]:
        """Return the files that are missing although their write-ahead log exists."""
        logs = self.root.glob("*/*/*.sqlite-wal")
        files = (log.with_name(log.name.removesuffix("-wal")) for log in logs if log.parts[-3][:1].isalpha())
        return [file for file in files if not file.exists()]

    @contextmanager
    def opened(self, series: BarSeries, shard: str) -> Iterator[PageFile | None]:
        """Give this thread's connection to a shard, or None if there is no file; errors become StoreError."""
        path = self.path(series, shard)
        with store_errors(path):
            yield self.open(path)

    def open(self, path: Path) -> PageFile | None:
        """Return this thread's connection to a page file, or None if there is no file.

        Raises:
            StoreError: the file is not a page file, has a newer format, or cannot be opened.

        """
        with store_errors(path):
            try:
                stat = path.stat()
            except FileNotFoundError:
                return None
            mine = self._mine()
            identity = (stat.st_dev, stat.st_ino)
            held = mine.pop(path, None)
            # Replaced, as by a restored backup; or shorter: memory mapped beyond its end must not be read.
            if held is not None and (held.identity != identity or held.size > stat.st_size):
                held.sql.close()
                held = None
            mine[path] = held or self._connect(path, identity)
            mine[path].size = stat.st_size
            while len(mine) > _FILES_OPEN_PER_THREAD:
                mine.popitem(last=False)[1].sql.close()
            return mine[path]

    def open_or_create(self, path: Path) -> PageFile:
        """Return this thread's connection to a page file, which is created if there is none."""
        found = self.open(path)
        if found is None:
            with store_errors(path):
                create_page_file(path)
            found = self.open(path)
        if found is None:
            raise StoreError(f"bar file {path} was removed right after it was created")
        with store_errors(path):
            self.catalogue.note(path)
        return found

    def close(self) -> None:
        """Close the connections of this process, whose threads must be idle."""
        with self._guard:
            self._forget_inherited()
            threads, self._open = self._open, {}
        for files in threads.values():
            for file in files.values():
                with store_errors(file.path):
                    file.sql.close()

    def _mine(self) -> OrderedDict[Path, PageFile]:
        with self._guard:
            self._forget_inherited()
            return self._open.setdefault(threading.get_ident(), OrderedDict())

    def _forget_inherited(self) -> None:
        if self._pid != os.getpid():
            _inherited.append(self._open)
            self._open, self._pid = {}, os.getpid()

    def _connect(self, path: Path, identity: tuple[int, int]) -> PageFile:
        sql = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,  # close() runs in another thread, after this one has ended
        )
        try:
            sql.executescript(CONNECTION)
            _check_version(sql, path)
        except BaseException:
            sql.close()
            raise
        return PageFile(path, sql, identity, self._busy_timeout_s)


@lru_cache(maxsize=1024)
def _build_path(root: Path, series: BarSeries, shard: str) -> Path:
    check_source(series.source)
    return root / series.source / series.interval / f"{shard}.sqlite"


def size_on_disk(path: Path) -> int:
    """Return the bytes of a page file and its write-ahead log."""
    parts = (path, path.with_name(f"{path.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


def page_name(path: Path, symbol: str, bucket: int) -> str:
    """Return the name of a page in errors: its file, symbol, and session or year."""
    when = name_bucket(bucket, is_year=path.stem == ALL)
    return f"{path.parent.parent.name}/{path.parent.name}/{path.name} {symbol} {when}"


def has_sums(sql: sqlite3.Connection) -> bool:
    """Return whether pages have checksums of their headers; files of an older Kaboom get them with their next write."""
    return bool(sql.execute("SELECT count(*) FROM pragma_table_info('page') WHERE name = 'cover_sum'").fetchone()[0])


def check_order(path: Path, after: Any, keys: Sequence[Any]) -> None:
    """Check that rows which were read in the order of their keys are in it, so that a damaged tree is not read forever.

    Raises:
        StoreDamaged: they are not.

    """
    if any(later <= earlier for earlier, later in pairwise((after, *keys))):
        raise StoreDamaged(f"bar file {path}: its rows are not in order", repair=REPAIR)


def _check_version(sql: sqlite3.Connection, path: Path) -> None:
    (version,) = sql.execute("PRAGMA user_version").fetchone()
    if version == 0:
        # A sound page file always has a version: it is linked into place when it is complete.
        raise StoreDamaged(f"bar file {path} has format version 0, expected {FORMAT_VERSION}", repair=REPAIR)
    if version not in {FORMAT_VERSION, UNSUMMED_VERSION}:
        raise StoreError(
            f"bar file {path} has format version {version}, expected at most {FORMAT_VERSION}: a newer Kaboom wrote it",
            retryable=False,
        )


def create_page_file(path: Path) -> None:
    """Create an empty page file in one step, unless it exists.

    Raises:
        StoreDamaged: the file is missing although its write-ahead log exists.
        OSError: the file could not be written.

    """
    make_folders(path.parent)
    if path.with_name(f"{path.name}-wal").exists() and not path.exists():
        raise StoreDamaged(f"bar file {path} is missing although its WAL exists", repair=REPAIR)
    fresh = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.new")
    try:
        with closing(sqlite3.connect(fresh, isolation_level=None)) as sql:
            sql.executescript(CREATE)
        with suppress(FileExistsError):  # another writer was first
            os.link(fresh, path)
        sync(path.parent)
    finally:
        fresh.unlink(missing_ok=True)
