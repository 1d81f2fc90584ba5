"""Publishing a mirror, in a folder or a bucket: with its manifest, readers see the old state or the new one."""

import asyncio
import hashlib
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from kaboom.bars.export.files import ExportedFile, OnProgress, export_files
from kaboom.bars.export.formats import Format
from kaboom.bars.export.manifest import MANIFEST, Manifest, MirrorFile, find_plain, follow, name_file, name_run
from kaboom.bars.export.plan import PlannedFile, Selection, newest_files, plan_folder
from kaboom.bars.history import pin_moment, reader_at
from kaboom.bars.store import BarReader, BarStore
from kaboom.drivers.objects import ObjectFolder, Stored
from kaboom.drivers.stop import ShouldStop, never
from kaboom.errors import Conflict, InvalidRequest
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import OLDEST_YEAR
from kaboom.market.interval import Interval

#: How long a file is kept that the manifest names no more.
GRACE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Publication:
    """What to publish, and when.

    Attributes:
        months: only the newest months are read, and older ones that the mirror lacks; None for all.
        as_of: bars as they were known at that moment; None for now.

    """

    now: datetime
    months: int | None = None
    form: Format = Format.PARQUET
    as_of: datetime | None = None
    grace: timedelta = GRACE


@dataclass(frozen=True, slots=True)
class MirrorRun:
    """A run as it was planned. One that was stopped or killed can be called again, and goes on.

    Attributes:
        names: the files to write, `<provider>/<interval>/<YYYY-MM>`, of daily bars `<YYYY>`.
        moment: the moment as of which it reads; None if the store keeps no history.
        bars: their number when it was planned.

    """

    id: str
    now: datetime
    names: tuple[str, ...]
    form: Format = Format.PARQUET
    moment: datetime | None = None
    grace: timedelta = GRACE
    bars: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """Whom a run tells that a file is done, with its bars and the bytes written, and that bars were read; its stop."""

    on_file: Callable[[str, int, int], None] = lambda *_: None
    on_bars: OnProgress = lambda _: None
    should_stop: ShouldStop = never


@dataclass(frozen=True, slots=True)
class Published:
    """The files of the mirror, the names of those written and deleted, and the manifest.

    A mirror without a manifest has only the files that were written.
    """

    files: tuple[MirrorFile, ...]
    written: tuple[str, ...]
    deleted: tuple[str, ...] = ()
    manifest: Manifest | None = None


@dataclass(frozen=True, slots=True)
class _Work:
    """A run at work: the bars, the folder, where files are written first, the manifest before, and the files done."""

    run: MirrorRun
    reader: BarReader
    folder: ObjectFolder
    desk: Path
    old: Manifest | None
    done: dict[str, MirrorFile] = field(default_factory=dict)


def name_new_run(now: datetime) -> str:
    """Return the name of a run, which no other has."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


async def plan_run(store: BarStore, folder: ObjectFolder, wish: Publication) -> MirrorRun:
    """Return a run that writes the newest months, and older ones that the mirror lacks; it writes nothing yet.

    Raises:
        InvalidRequest: the folder has a damaged manifest, cannot have the format, or the moment cannot be read.
        StoreError: bars cannot be read, or the bucket does not answer.

    """
    moment = pin_moment(store, wish.as_of)
    _, old = await _load(folder, wish.form)
    held = {file.name for file in old.files} if old else await _list_plain(folder, wish.form)
    # Bars of other exchanges may be a day ahead.
    first, last, planned = date(OLDEST_YEAR, 1, 1), wish.now.date() + timedelta(days=2), list[PlannedFile]()
    reader = reader_at(store, moment)
    for series in await store.list_series():
        selection = Selection(series, first, last)
        files = await plan_folder(reader, selection, folder.desk or Path(), wish.form)
        newest = newest_files(files, wish.months) if wish.months else files
        planned += [file for file in files if file in newest or _name(file) not in held]
    names, bars = tuple(_name(file) for file in planned), sum(file.bars for file in planned)
    return MirrorRun(name_new_run(wish.now), wish.now, names, wish.form, moment, wish.grace, bars)


async def publish(
    store: BarStore, folder: ObjectFolder, run: MirrorRun, watch: Watch | None = None, *, start: int = 0
) -> Published | None:
    """Write the files whose bars changed, then the manifest, and delete files past their grace time.

    Return None if it was stopped. Until it has ended, the manifest and all its files are as they were; the last file is
    told after that. A folder of a mirror without a manifest stays so: each file is replaced in place. `start` is the
    number of files that an earlier call told of.

    Raises:
        Conflict: another run writes to the folder, or wrote to it since this one was planned.
        InvalidRequest: the folder has a damaged manifest, or cannot have the format.
        StoreError: bars cannot be read, or the bucket does not answer; nothing was published.

    """
    watch = watch or Watch()
    async with folder.hold(), _open_desk(folder) as desk:
        found, old = await _load(folder, run.form)
        if old and old.made_at > run.now:
            raise Conflict(f"another run has written to {folder.place} meanwhile: run it again")
        work = _Work(run, reader_at(store, run.moment), folder, desk, old)
        if old is not None and (part := await folder.read(name_run(run.id))):
            work.done.update({file.name: file for file in Manifest.parse(part.content, folder.place).files})
        if not await _write_files(work, watch, start):
            return None
        published = await _replace_manifest(work, found, old) if old else _summarise(work)
        if len(run.names) > start:
            _tell(work, watch, run.names[-1])
    return published


async def _write_files(work: _Work, watch: Watch, start: int) -> bool:
    """Write the files that are not done yet; return False if it was stopped."""
    names, bars = work.run.names, 0
    for number, name in enumerate(names):
        is_done = name in work.done or (work.old is None and number < start)
        if not is_done and not await _write(work, name, watch, bars):
            return False
        bars += work.done[name].bars if name in work.done else 0
        if start <= number < len(names) - 1:
            _tell(work, watch, name)
    return True


def _tell(work: _Work, watch: Watch, name: str) -> None:
    file = work.done.get(name)
    watch.on_file(name, file.bars if file else 0, file.bytes if file and _is_new(work, file) else 0)


def _is_new(work: _Work, file: MirrorFile) -> bool:
    return work.old is None or file not in work.old.files


@asynccontextmanager
async def _open_desk(folder: ObjectFolder) -> AsyncIterator[Path]:
    if folder.desk is not None:
        yield folder.desk
        return
    with tempfile.TemporaryDirectory(prefix="kaboom-mirror-", ignore_cleanup_errors=True) as name:
        yield Path(name)


async def _load(folder: ObjectFolder, form: Format) -> tuple[Stored | None, Manifest | None]:
    """Return the manifest, an empty one of a new mirror, or None of a mirror without one."""
    found = await folder.read(MANIFEST)
    plain = None if found else find_plain(await folder.list_names())
    if not found and folder.desk is not None and (plain or form is not Format.PARQUET):
        return None, None
    if form is not Format.PARQUET:
        raise InvalidRequest(f"the format was {form}, expected parquet: {folder.place} is a mirror with a manifest")
    if plain:
        raise InvalidRequest(f"{folder.place} has files of a mirror without a manifest ({plain}): use another folder")
    new = Manifest(made_at=datetime.min.replace(tzinfo=UTC))
    return found, Manifest.parse(found.content, folder.place) if found else new


async def _list_plain(folder: ObjectFolder, form: Format) -> set[str]:
    suffix = f".{form}"
    return {name.removesuffix(suffix) for name in await folder.list_names() if name.endswith(suffix)}


def _name(file: PlannedFile) -> str:
    series = file.selection.series
    return f"{series.source}/{series.interval}/{file.path.stem}"


def _select(name: str) -> Selection:
    """Return the bars of a file: of a month, or a year of daily bars."""
    source, interval, period = name.split("/")
    series = BarSeries(source, Interval(interval))
    if not series.interval.is_intraday:
        return Selection(series, date(int(period), 1, 1), date(int(period), 12, 31))
    first = date.fromisoformat(f"{period}-01")
    return Selection(series, first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))


async def _write(work: _Work, name: str, watch: Watch, before: int) -> bool:
    """Write a file if its content is another than the manifest's; return False if it was stopped."""
    if watch.should_stop():
        return False
    # Of bars that were dropped since the run was planned, nothing is left to write.
    for planned in await plan_folder(work.reader, _select(name), work.desk, work.run.form):
        path = f"{name}.{work.run.form}" if work.old is None else name_file(name, work.run.id)
        target = replace(planned, path=work.desk / path, replaces=planned.replaces if work.old is None else ())
        written = await export_files(
            work.reader, [target], lambda read: watch.on_bars(before + read), should_stop=watch.should_stop
        )
        if not written:
            return False
        work.done[name] = await _add(work, path, planned, written[0])
    if work.old is not None:
        part = Manifest(made_at=work.run.now, files=tuple(work.done.values()))
        await work.folder.replace(name_run(work.run.id), part.to_json())
    return True


async def _add(work: _Work, name: str, planned: PlannedFile, written: ExportedFile) -> MirrorFile:
    """Add a written file to the folder; return its entry, or the manifest's if its content is the same."""
    path, series = work.desk / name, planned.selection.series
    digest, key = await asyncio.to_thread(_digest, path), _name(planned)
    for held in work.old.files if work.old else ():
        if held.name == key and held.sha256 == digest:
            path.unlink()
            return held
    await work.folder.add(name, path)
    if work.folder.desk is None:
        path.unlink()
    return MirrorFile(
        path=name,
        provider=series.source,
        interval=series.interval.value,
        period=planned.path.stem,
        bars=written.bars,
        bytes=written.bytes,
        sha256=digest,
        first_session=planned.selection.first,
        last_session=planned.selection.last,
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _summarise(work: _Work) -> Published:
    files = tuple(work.done.values())
    return Published(files, tuple(file.path for file in files))


async def _replace_manifest(work: _Work, found: Stored | None, old: Manifest) -> Published:
    run, folder, part = work.run, work.folder, name_run(work.run.id)
    files, names = list(work.done.values()), [name for name in await folder.list_names() if name != part]
    manifest, due = follow(old, files, names, now=run.now, grace=run.grace)
    manifest = manifest.model_copy(update={"as_of": run.moment})
    await folder.swap(MANIFEST, manifest.to_json(), found)
    await _list_files(folder, manifest)
    await folder.delete([*due, part] if run.names else due)
    written = tuple(file.path for file in files if _is_new(work, file))
    return Published(manifest.files, written, tuple(due), manifest)


async def _list_files(folder: ObjectFolder, manifest: Manifest) -> None:
    """Write the URLs of each series, one a line, as BigQuery reads them; a folder on the disk has no URLs."""
    if folder.desk is not None:
        return
    lists: dict[str, list[str]] = {}
    for file in manifest.files:
        lists.setdefault(f"{file.provider}/{file.interval}", []).append(f"{folder.place}/{file.path}")
    for series, urls in lists.items():
        await folder.replace(f"{series}/files.txt", "".join(f"{url}\n" for url in urls).encode())
