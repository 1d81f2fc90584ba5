"""`kaboom restore`: a new data folder from a backup."""

import os
from pathlib import Path
from typing import Annotated

import typer

from kaboom.bars.pages.backup import copy_store_file
from kaboom.cli.backup.manifest import LEDGER, WITHOUT, Manifest, check_files, draft_of, read_manifest, started_postgres
from kaboom.cli.backup.take import BARS, SYMBOLS, paced, summarize
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.options import DataDir, Json
from kaboom.cli.output.text import to_jst_line
from kaboom.cli.session import Session
from kaboom.drivers.embedded.postgres_cluster import drop_socket_folder
from kaboom.errors import Conflict
from kaboom.settings import load_settings

#: The table of Alembic, which our own migrations fill.
_REVISION = "alembic_version"

Backup = Annotated[Path, typer.Argument(help="folder that `kaboom backup` made")]


def restore(context: typer.Context, backup: Backup, data_dir: DataDir = None, *, json: Json = False) -> None:
    """Make a data folder from a backup; `kaboom up` continues from it. The folder must be empty or not exist."""
    session: Session = context.obj.with_json(json)
    target = data_dir or session.find_data_dir()
    manifest = _check(backup, session)
    if manifest.revision:
        session.say(
            "restore only backups that you made: the users, passwords, API tokens, schedules and "
            "callback URLs of this one will be valid here. Its SQL is not executed, only rows are "
            "copied. Everybody logs in again"
        )
    try:
        # If root runs this command, PostgreSQL runs as `nobody`, who needs to enter the folder.
        with draft_of(target, mode=0o711 if os.geteuid() == 0 else 0o700) as draft:
            _fill(draft, backup, manifest, session)
    except OSError as e:
        raise CliError(Exit.UNAVAILABLE, f"{e.filename or target}: {e.strerror or e}") from e
    summary = summarize(backup, manifest) | {"data_dir": str(target)}
    session.print_if_json(summary)
    for sentence in manifest.lacks:
        session.tell(sentence)
    if manifest.rows.get("bar_page") and not load_settings().keeps_bars_in_postgres:
        session.say("bars of this backup are in the ledger: set KABOOM_BAR_STORE=postgres before `kaboom up`")
    session.say(
        "restored to {data_dir}: {jobs:,} jobs, {bars:,} bars as of {made_at}; start it with: "
        "kaboom --data-dir {data_dir} up",
        **summary | {"made_at": to_jst_line(manifest.made_at, "seconds")},
    )


def _check(backup: Path, session: Session) -> Manifest:
    """Compare the whole backup with its manifest before anything is written."""
    from kaboom.cli.stack.migrate import check_revision  # noqa: PLC0415  Alembic costs 0.2 s

    manifest = read_manifest(backup)
    if manifest.revision:
        check_revision(manifest.revision)
    if manifest.revision and os.environ.get("DATABASE_URL"):
        raise Conflict(
            session.words.say(
                "DATABASE_URL is set, so `kaboom up` would not use the restored ledger: unset it, or "
                "restore {path} to that database with pg_restore",
                path=backup / LEDGER,
            )
        )
    names = [Path(name) for name in manifest.files]
    sound = check_files(backup, manifest)
    for _ in paced(names, lambda done: session.say("checked {done:,} of {total:,} files", done=done, total=len(names))):
        next(sound, None)
    return manifest


def _fill(draft: Path, backup: Path, manifest: Manifest, session: Session) -> None:
    names = [Path(name) for name in manifest.files if name.startswith((f"{BARS}/", f"{SYMBOLS}/"))]
    for name in paced(
        names, lambda done: session.say("{what}: {done:,} of {total:,} files", what=BARS, done=done, total=len(names))
    ):
        copy_store_file(backup / name, draft / name)
    if manifest.revision:
        session.say("copying the {what} …", what=session.words.say("ledger"))
        _fill_ledger(draft, backup, manifest, session)


def _fill_ledger(draft: Path, backup: Path, manifest: Manifest, session: Session) -> None:
    """Make the tables by our own migrations, and copy the rows of the dump to them: its SQL is not executed."""
    from kaboom.bars.postgres.tables import make_partitions  # noqa: PLC0415  polars costs 0.1 s
    from kaboom.cli.stack.migrate import migrate  # noqa: PLC0415  Alembic costs 0.2 s
    from kaboom.drivers.postgres.dump import restore_rows  # noqa: PLC0415  the driver costs 0.1 s

    with started_postgres(draft, draft / "logs/postgres.log") as url:
        migrate(url, manifest.revision)
        make_partitions(url, manifest.rows)
        rows = restore_rows(url, backup / LEDGER, without=(*WITHOUT, _REVISION)).rows
        expected = {name: manifest.rows.get(name, 0) for name in rows} | dict.fromkeys(rows.keys() & set(WITHOUT), 0)
        if rows != expected:
            raise CliError(Exit.JOB_FAILED, f"the ledger has {rows} rows after the restore, expected {expected}")
        if others := sorted(manifest.rows.keys() - rows.keys()):
            session.say("not restored, since Kaboom does not make them: the tables {tables}", tables=", ".join(others))
        migrate(url)
    drop_socket_folder(draft)
