"""Publishing a mirror with a manifest, in a folder or a bucket: its readers see the old state or the new one."""

import asyncio
import hashlib
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from kaboom.bars.export.files import OnProgress, export_files
from kaboom.bars.export.formats import Format
from kaboom.bars.export.manifest import MANIFEST, Manifest, MirrorFile, find_plain, follow, name_file
from kaboom.bars.export.plan import PlannedFile, Selection, newest_files, plan_folder
from kaboom.bars.history import pin_moment, reader_at
from kaboom.bars.store import BarReader, BarStore
from kaboom.drivers.objects import ObjectFolder, Stored
from kaboom.errors import InvalidRequest
from kaboom.market.calendar import OLDEST_YEAR


@dataclass(frozen=True, slots=True)
class Publication:
    """What to publish, and when.

    Attributes:
        months: only the newest months are read, and older ones that the mirror lacks; None for all.
        grace: how long a file is kept that the manifest names no more.

    """

    now: datetime
    months: int | None = None
    grace: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Published:
    """The new manifest, and the names of the files that were written and deleted."""

    manifest: Manifest
    written: tuple[str, ...]
    deleted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """A run: the bars as of one moment, the folder, where files are written first, and the files that were there."""

    reader: BarReader
    folder: ObjectFolder
    desk: Path
    id: str
    held: Mapping[tuple[str, str, str], MirrorFile]
    written: list[str] = field(default_factory=list)


async def publish(
    store: BarStore,
    folder: ObjectFolder,
    wish: Publication,
    show: Callable[[int], OnProgress],
) -> Published | None:
    """Write the files whose bars changed, then the manifest, and delete files past their grace time; None without bars.

    A file is one of Parquet, as `export_files` writes it, with a name that no other file had. If the run ends early, in
    whatever way, the manifest and all its files are as they were. `show` gets the number of bars, and returns what is
    called with the bars read so far.

    Raises:
        Conflict: another run writes or wrote to the folder.
        InvalidRequest: the folder has files of a mirror without a manifest, or a damaged manifest.
        StoreError: bars cannot be read, or the bucket does not answer; nothing was published.

    """
    moment = pin_moment(store)
    async with folder.hold(), _open_desk(folder) as desk:
        found, old = await _load(folder)
        run_id = f"{wish.now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        run = _Run(reader_at(store, moment), folder, desk, run_id, {file.key: file for file in old.files})
        planned = await _plan(run, store, wish)
        if not planned and not old.files:
            return None
        tell, files, bars = show(sum(file.bars for file in planned)), list[MirrorFile](), 0
        for file in planned:
            files.append(await _write(run, file, partial(_tell, tell, bars)))
            bars += files[-1].bars
        names = await folder.list_names()
        manifest, due = follow(old, files, names, now=wish.now, grace=wish.grace)
        manifest = manifest.model_copy(update={"as_of": moment})
        await folder.swap(MANIFEST, manifest.to_json(), found)
        await _list_files(run, manifest)
        await folder.delete(due)
    return Published(manifest, tuple(run.written), tuple(due))


def _tell(tell: OnProgress, before: int, read: int) -> None:
    tell(before + read)


@asynccontextmanager
async def _open_desk(folder: ObjectFolder) -> AsyncIterator[Path]:
    if folder.desk is not None:
        yield folder.desk
        return
    with tempfile.TemporaryDirectory(prefix="kaboom-mirror-", ignore_cleanup_errors=True) as name:
        yield Path(name)


async def _load(folder: ObjectFolder) -> tuple[Stored | None, Manifest]:
    if found := await folder.read(MANIFEST):
        return found, Manifest.parse(found.content, folder.place)
    if plain := find_plain(await folder.list_names()):
        raise InvalidRequest(f"{folder.place} has files of a mirror without a manifest ({plain}): use another folder")
    return None, Manifest(made_at=datetime.min.replace(tzinfo=UTC))


async def _plan(run: _Run, store: BarStore, wish: Publication) -> list[PlannedFile]:
    planned = list[PlannedFile]()
    # Bars of other exchanges may be a day ahead.
    last = wish.now.date() + timedelta(days=2)
    for series in await store.list_series():
        files = await plan_folder(
            run.reader, Selection(series, date(OLDEST_YEAR, 1, 1), last), run.desk, Format.PARQUET
        )
        newest = newest_files(files, wish.months) if wish.months else files
        planned += [file for file in files if file in newest or _key(file) not in run.held]
    return planned


def _key(file: PlannedFile) -> tuple[str, str, str]:
    series = file.selection.series
    return series.source, series.interval.value, file.path.stem


async def _write(run: _Run, planned: PlannedFile, on_progress: OnProgress) -> MirrorFile:
    """Write a file if its content is another than the manifest's; return its entry."""
    provider, interval, period = _key(planned)
    name = name_file(f"{provider}/{interval}", period, run.id)
    path = run.desk / name
    (written,) = await export_files(run.reader, [replace(planned, path=path, replaces=())], on_progress)
    digest, held = await asyncio.to_thread(_digest, path), run.held.get((provider, interval, period))
    if held is not None and held.sha256 == digest:
        path.unlink()
        return held
    await run.folder.add(name, path)
    run.written.append(name)
    if run.folder.desk is None:
        path.unlink()
    return MirrorFile(
        path=name,
        provider=provider,
        interval=interval,
        period=period,
        bars=written.bars,
        bytes=written.bytes,
        sha256=digest,
        first_session=planned.selection.first,
        last_session=planned.selection.last,
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _list_files(run: _Run, manifest: Manifest) -> None:
    """Write the URLs of each series, one a line, as BigQuery reads them; a folder on the disk has no URLs."""
    if run.folder.desk is not None:
        return
    lists: dict[str, list[str]] = {}
    for file in manifest.files:
        lists.setdefault(f"{file.provider}/{file.interval}", []).append(f"{run.folder.place}/{file.path}")
    for series, urls in lists.items():
        await run.folder.replace(f"{series}/files.txt", "".join(f"{url}\n" for url in urls).encode())
