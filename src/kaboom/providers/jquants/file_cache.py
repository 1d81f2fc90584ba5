"""J-Quants' bulk files on the local disk: each is fetched once, by one process at a time, and kept for a while."""

import asyncio
import calendar
import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from kaboom.drivers.disk import is_in_user_space
from kaboom.drivers.http.downloader import HttpDownloader
from kaboom.drivers.http.reply import Reply
from kaboom.errors import ProviderError
from kaboom.providers.jquants import query
from kaboom.providers.jquants.get import JquantsSource
from kaboom.providers.limiter.rate_limiter import RateLimiter
from kaboom.providers.watch import report_waiting
from kaboom.providers.wire import Server, read_body

#: A file takes two requests, for its address and for its content; the transfer counts as one more for each 2 MB.
_QUESTIONS, _BYTES_PER_QUESTION = 2, 2 << 20

type Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class BulkFile:
    """A file that can be fetched: the rows of one path, of a month or of a day.

    Attributes:
        key: its name at J-Quants.
        modified: when it was written, as J-Quants' text; a correction replaces a file under the same key.
        size: its bytes, compressed.
        first: the first day that it may hold, and `last` the last one.

    """

    key: str
    modified: str
    size: int
    first: date
    last: date

    @property
    def title(self) -> str:
        """Its name without folders, for messages."""
        return self.key.rpartition("/")[2]

    @property
    def local_name(self) -> str:
        """Its name on the local disk, which changes with each correction."""
        told = f"{self.key}\n{self.modified}\n{self.size}".encode()
        return f"{hashlib.sha256(told).hexdigest()[:32]}.csv.gz"

    @property
    def cost(self) -> int:
        """The cost of fetching it, in requests."""
        return _QUESTIONS + self.size // _BYTES_PER_QUESTION


def parse_files(rows: Rows, path: str) -> tuple[BulkFile, ...]:
    """Return the files of a path in a list of them; those of other paths are left out.

    Raises:
        ProviderError: a field is missing or of another type, or no name is of the form known.

    """
    for row in rows:
        if missing := {"Key", "LastModified", "Size"} - row.keys():
            raise ProviderError(f"jquants: the list of bulk files lacked {sorted(missing)}, it had {sorted(row)[:9]}")
    found = [file for row in rows if (file := _parse_file(row, path)) is not None]
    if rows and not found:
        raise ProviderError(
            f"jquants: bulk files were named such as {str(rows[0]['Key'])[-60:]!r},"
            f" expected {_stem(path)}_YYYYMM.csv.gz or …_YYYYMMDD.csv.gz"
        )
    return tuple(found)


def pick_files(files: Sequence[BulkFile], sessions: Sequence[date]) -> Mapping[BulkFile, tuple[date, ...]]:
    """Return the files that together hold some sessions (oldest first), each with the sessions to read from it.

    A past month is one file; the current month has a file for each day. If both exist, a single session is read from
    the file of its day, and several sessions from the file of their month.

    Raises:
        ProviderError: no file holds a session.

    """
    newest: dict[tuple[date, date], BulkFile] = {}
    for file in sorted(files, key=lambda file: file.modified):
        newest[file.first, file.last] = file
    picked: dict[BulkFile, tuple[date, ...]] = {}
    for session in sessions:
        month = newest.get(_month_of(session))
        day = newest.get((session, session))
        is_alone = sum(_month_of(other) == _month_of(session) for other in sessions) == 1
        chosen = (day or month) if is_alone else (month or day)
        if chosen is None:
            raise ProviderError(
                f"jquants: no bulk file holds {session}; a day's comes after its session,"
                " and how far back they go depends on the plan",
                retryable=True,
            )
        picked[chosen] = (*picked.get(chosen, ()), session)
    return picked


def _parse_file(row: Mapping[str, Any], path: str) -> BulkFile | None:
    key, modified, size = row["Key"], row["LastModified"], row["Size"]
    is_size = isinstance(size, int | float) and not isinstance(size, bool) and size >= 0 and size == int(size)
    if not isinstance(key, str) or not isinstance(modified, str) or not is_size:
        raise ProviderError("jquants: the list of bulk files had a value of another type than documented")
    found = re.fullmatch(rf"(?:.*/)?{_stem(path)}_(\d{{4}})(\d\d)(\d\d)?\.csv\.gz", key)
    if found is None:
        return None
    year, month, day = (int(text) if text else None for text in found.groups())
    try:
        first = date(year or 0, month or 0, day or 1)
    except ValueError:
        return None
    return BulkFile(key, modified, int(size), *((first, first) if day else _month_of(first)))


def _month_of(day: date) -> tuple[date, date]:
    return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _stem(path: str) -> str:
    return path.strip("/").replace("/", "_")


#: A month of minutes of all issues is about 100 MB.
_MOST_BYTES = 512 << 20
#: How much is kept, and how long: successive chunks of a job need the same months.
_KEPT_BYTES, _KEPT_S = 512 << 20, 86_400.0
_LOCK_S = 0.2


class _Expired(ProviderError):
    """The address of a file has expired."""


@dataclass(frozen=True, slots=True)
class JquantsShelf:
    """Fetches bulk files into a folder, which processes of one machine share.

    The address of a file is requested with the key. The file is on another host and is fetched without the key. Each of
    the two requests needs a permit of the rate limiter.
    """

    source: JquantsSource
    rate_limiter: RateLimiter
    folder: Path
    downloader: HttpDownloader = field(default_factory=HttpDownloader)
    most_bytes: int = _MOST_BYTES

    async def fetch(self, file: BulkFile) -> Path:
        """Return the path of a file, whose size is that of the list; `read_file` checks that it is complete.

        Raises:
            RateLimited: J-Quants or the files' host asks for a pause.
            ProviderError: the file could not be fetched or saved.

        """
        if file.size > self.most_bytes:
            raise ProviderError(
                f"jquants: bulk file {file.title} has {file.size:,} bytes, supported are {self.most_bytes:,}"
            )
        place = self.folder / file.local_name
        try:
            async with self._alone():
                if not await asyncio.to_thread(_take_up, place):
                    await self._bring(file, place)
                    await asyncio.to_thread(_tidy, self.folder, place)
        except OSError as e:
            reason = e.strerror or type(e).__name__
            raise ProviderError(f"jquants: no bulk file could be kept in the data folder: {reason}") from e
        return place

    async def drop(self, file: BulkFile) -> None:
        """Remove a file that turned out to be damaged, so that it is fetched again."""
        with contextlib.suppress(OSError):
            await asyncio.to_thread((self.folder / file.local_name).unlink)

    async def _bring(self, file: BulkFile, place: Path) -> None:
        try:
            await self._download(file, place)
        except _Expired:
            # The address may have expired while this waited for a permit.
            await self._download(file, place)

    async def _download(self, file: BulkFile, place: Path) -> None:
        url = await self.source.fetch_address(query.ask_address(file.key))
        draft = place.with_suffix(".part")
        try:
            with await asyncio.to_thread(draft.open, "wb") as packed:
                async with self.rate_limiter.permit():
                    await self._receive(file, url, packed)
            await asyncio.to_thread(draft.replace, place)
        finally:
            await asyncio.to_thread(draft.unlink, missing_ok=True)

    async def _receive(self, file: BulkFile, url: str, packed: IO[bytes]) -> None:
        came = 0

        async def keep(block: bytes) -> None:
            nonlocal came
            came += len(block)
            if came > file.size:
                raise ProviderError(f"jquants: bulk file {file.title} was longer than listed", retryable=True)
            report_waiting()
            try:
                await asyncio.to_thread(packed.write, block)
            except OSError as e:
                raise ProviderError(f"jquants: no bulk file could be kept in the data folder: {e.strerror}") from e

        _check(await self.downloader.stream(url, keep), file)
        if came < file.size:
            raise ProviderError(
                f"jquants: bulk file {file.title} ended after {came:,} of {file.size:,} bytes", retryable=True
            )

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Hold the folder's lock, so that one file is fetched at a time, and none twice; it ends with its process."""
        handle = await asyncio.to_thread(_open_lock, self.folder)
        try:
            while not _lock(handle):
                report_waiting()
                await asyncio.sleep(_LOCK_S)
            yield
        finally:
            os.close(handle)


def find_folder(data_dir: Path) -> Path:
    """Return the folder of bulk files: in the data folder, or on this machine's disk if that is a mounted bucket.

    On a bucket, the lock would not keep other machines from removing a file while this one fetches it.
    """
    return (Path(tempfile.gettempdir()) if is_in_user_space(data_dir) else data_dir) / "jquants-bulk"


def _check(answer: Reply, file: BulkFile) -> None:
    """Raise the error for a file host's status; the body, which may quote the signed address, was not read."""
    title = f"jquants: bulk file {file.title}"
    if answer.status == HTTPStatus.FORBIDDEN:
        raise _Expired(f"{title}: its host refused the address, which lasts five minutes", retryable=True)
    if answer.status == HTTPStatus.NOT_FOUND:
        raise ProviderError(f"{title} is on the list, and its host said 404", retryable=True)
    read_body(answer, Server(f"jquants: the host of bulk file {file.title}", "it does not take the address"))


def _open_lock(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)


def _lock(handle: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _take_up(place: Path) -> bool:
    """Return whether a file exists, and mark it as used now."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(place)
        return True
    return False


def _tidy(folder: Path, newest: Path) -> None:
    """Remove unfinished files, files not used for a day, and the oldest files beyond the space limit."""
    for draft in folder.glob("*.part"):
        draft.unlink(missing_ok=True)
    places = sorted(folder.glob("*.csv.gz"), key=lambda place: place.stat().st_mtime, reverse=True)
    total, unwanted_before = 0, time.time() - _KEPT_S
    for place in places:
        total += place.stat().st_size
        if place != newest and (total > _KEPT_BYTES or place.stat().st_mtime < unwanted_before):
            # A process that reads the file keeps it open.
            place.unlink(missing_ok=True)
