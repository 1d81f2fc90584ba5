"""`kaboom backup`: the ledger, the bars and the settings in one folder, while Kaboom runs."""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import orjson
import typer

from kaboom.bars.pages.backup import copy_store_file, count_bars, list_store_files
from kaboom.cli.backup.manifest import LEDGER, NAME, WITHOUT, Manifest, draft_of, hash_file, started_postgres
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.options import DataDir, Json
from kaboom.cli.session import Session
from kaboom.cli.stack.data_folder import end_orphans, hold_lock
from kaboom.drivers.clock import utc_now
from kaboom.drivers.disk import sync
from kaboom.drivers.embedded.run_file import LOCK, read_run_file, write_private
from kaboom.errors import NotFound
from kaboom.operations.settings import redact_settings
from kaboom.settings import load_settings

Target = Annotated[Path, typer.Argument(help="folder to make; it must be empty or not exist")]
#: Folders of the data folder that are copied after the ledger.
BARS, SYMBOLS = "bars", "symbols"
_PROGRESS_S = 2.0


@dataclass
class Source:
    """What to back up, and where it is.

    Attributes:
        database_url: of the embedded ledger; None if it is elsewhere or was never made.
        bars_dir: None if no bars are in the data folder.
        has_bars: whether bars are in the ledger.
        lacks: what cannot be backed up from here, one sentence each.

    """

    data_dir: Path
    database_url: str | None = None
    bars_dir: Path | None = None
    has_bars: bool = False
    lacks: list[str] = field(default_factory=list)


def backup(context: typer.Context, target: Target, data_dir: DataDir = None, *, json: Json = False) -> None:
    """Copy jobs, bars, corporate actions and settings to a folder, also while Kaboom runs."""
    session: Session = context.obj.with_json(json)
    folder = data_dir or session.find_data_dir()
    # With bars on a server, the data folder may still be empty.
    is_data = not load_settings().keeps_bars_in_folder and folder.is_dir()
    if not is_data and not any((folder / name).exists() for name in (LOCK, BARS)):
        raise NotFound(f"there is no data folder {folder}: name it with --data-dir")
    try:
        with ExitStack() as stack, draft_of(target) as draft:
            source = _open_source(folder, session, stack)
            _check_space(source, draft)
            manifest = _copy(source, draft, session)
    except OSError as e:
        raise CliError(Exit.UNAVAILABLE, f"{e.filename or target}: {e.strerror or e}") from e
    summary = summarize(target, manifest)
    session.print_if_json(summary)
    for sentence in manifest.lacks:
        session.tell(sentence)
    session.say("backup made in {folder}: {jobs:,} jobs, {bars:,} bars, {files:,} files, {bytes:,} bytes", **summary)


def _open_source(data_dir: Path, session: Session, stack: ExitStack) -> Source:
    source = Source(data_dir)
    run = read_run_file(data_dir)
    settings = load_settings(data_dir=data_dir)
    # Bars that no store reads now are copied, too.
    has_bars = settings.keeps_bars_in_folder or settings.find_left_bars() is not None
    try:
        stack.enter_context(closing(hold_lock(data_dir, session)))
    except CliError:
        if not run:
            # A Kaboom is starting or stopping, so its processes are not known.
            raise
        if any(child["name"] == "postgres" for child in run["children"]):
            source.database_url = run["database_url"]
        has_bars |= run["bars_dir"] is not None
    else:
        source.database_url = _start_ledger(data_dir, session, stack)
    source.bars_dir = data_dir / BARS if has_bars else None
    if source.database_url is None:
        source.lacks.append(
            session.words.say(
                "not in this backup: the jobs. They are in no PostgreSQL of this data folder; back up "
                "the database of DATABASE_URL with pg_dump"
            )
        )
    source.has_bars = settings.keeps_bars_in_postgres and source.database_url is not None
    if settings.keeps_bars_in_postgres and not source.has_bars:
        source.lacks.append(
            session.words.say(
                "not in this backup: the bars and corporate actions. They are in the database of DATABASE_URL, "
                "in the dump that pg_dump makes of it"
            )
        )
    if settings.keeps_bars_in_influxdb:
        source.lacks.append(
            session.words.say(
                "not in this backup: the bars and corporate actions. They are in InfluxDB; back it up with its own tool"
            )
        )
    source.lacks.append(
        session.words.say(
            "not in any backup: secrets (the ingest token, the webhook secret, keys of providers, "
            "the keys of logins), browser sessions, logs, the contents of Redis (job logs and "
            "events), and files that can be made again (mirror, indicators, downloads)"
        )
    )
    return source


def _start_ledger(data_dir: Path, session: Session, stack: ExitStack) -> str | None:
    """Start the ledger of a stopped Kaboom; None if it has no embedded ledger."""
    if orphans := end_orphans(data_dir):
        session.say("ended {count} process groups that a killed Kaboom had left", count=orphans)
    if os.environ.get("DATABASE_URL") or not (data_dir / "postgres/PG_VERSION").exists():
        return None
    session.say("starting {what} …", what="postgres")
    return stack.enter_context(started_postgres(data_dir, data_dir / "logs/postgres.log"))


def _check_space(source: Source, draft: Path) -> None:
    files = list_store_files(source.bars_dir) if source.bars_dir and source.bars_dir.is_dir() else []
    needed = sum((source.bars_dir / name).stat().st_size for name in files) if source.bars_dir else 0
    free = shutil.disk_usage(draft).free
    if needed > free:
        raise CliError(Exit.UNAVAILABLE, f"{draft.parent} has {free:,} bytes free, the bars alone take {needed:,}")


def _copy(source: Source, draft: Path, session: Session) -> Manifest:
    """Copy the ledger first, then symbol lists, bars, and actions last: data is copied after the data that needs it."""
    revision, rows, bars = "", {}, 0
    if source.database_url:
        from kaboom.drivers.postgres.dump import dump_database  # noqa: PLC0415  the driver costs 0.1 s

        session.say("copying the {what} …", what=session.words.say("ledger"))
        facts = dump_database(source.database_url, draft / LEDGER, without=WITHOUT)
        revision, rows, bars = facts.revision, facts.rows, facts.bars
        sync(draft / LEDGER)
    _copy_folder(source.data_dir / SYMBOLS, draft / SYMBOLS, session)
    if source.bars_dir:
        _copy_folder(source.bars_dir, draft / BARS, session)
    settings = orjson.dumps(redact_settings(load_settings()), option=orjson.OPT_INDENT_2, default=str)
    write_private(draft / "settings.json", settings + b"\n")
    names = sorted(str(path.relative_to(draft)) for path in draft.rglob("*") if path.is_file())
    manifest = Manifest(
        made_at=utc_now().isoformat(),
        revision=revision,
        rows=rows,
        bars=bars + sum(count_bars(draft / name) for name in names if name.startswith(f"{BARS}/"))
        if source.bars_dir or source.has_bars
        else None,
        lacks=tuple(source.lacks),
        files={name: ((draft / name).stat().st_size, hash_file(draft / name)) for name in names},
    )
    manifest.write(draft)
    sync(draft / NAME)
    return manifest


def _copy_folder(source: Path, target: Path, session: Session) -> None:
    names = list_store_files(source) if source.is_dir() else []
    for name in paced(
        names,
        lambda done: session.say("{what}: {done:,} of {total:,} files", what=source.name, done=done, total=len(names)),
    ):
        copy_store_file(source / name, target / name)


def paced(names: Iterable[Path], tell: Callable[[int], None]) -> Iterator[Path]:
    """Yield each name; report the number done every two seconds, and at the end."""
    told_at, done = time.monotonic(), 0
    for done, name in enumerate(names, 1):
        yield name
        if time.monotonic() - told_at > _PROGRESS_S:
            tell(done)
            told_at = time.monotonic()
    if done:
        tell(done)


def summarize(folder: Path, manifest: Manifest) -> dict[str, object]:
    """Return the contents of a backup in figures."""
    return {
        "folder": str(folder),
        "jobs": manifest.rows.get("jobs", 0),
        "bars": manifest.bars or 0,
        "files": len(manifest.files),
        "bytes": manifest.bytes,
        "made_at": manifest.made_at,
        "lacks": list(manifest.lacks),
    }
