"""`kaboom up`, `demo`, `serve`, `worker`, `migrate`: running Kaboom."""

import asyncio
import os
import secrets
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TextIO, cast

import structlog
import typer

from kaboom.catalog import CATALOG
from kaboom.cli.exits import BY_STATUS, CliError, Exit
from kaboom.cli.options import Concurrency, DataDir, Port, Workers
from kaboom.cli.output.summary import print_summary
from kaboom.cli.output.watch import watch_job
from kaboom.cli.session import Session
from kaboom.cli.stack.whole import Stack, StackOptions, choose_port, worker_argv
from kaboom.drivers.gc_tuning import freeze_loaded_objects, return_large_blocks
from kaboom.drivers.stop import StopEvent
from kaboom.jobs.engine.parts import check_parts
from kaboom.settings import load_settings
from kaboom.web.server.open_files import raise_open_files

#: Enough for a backtest: a year of daily bars of a few symbols.
_DEMO_DAYS = {"intervals": {"1d": 250}, "symbols": ["6758", "7203", "9984"]}
_DEMO_MINUTES = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500}


def up(
    context: typer.Context,
    port: Port = 8000,
    workers: Workers = 1,
    concurrency: Concurrency = 4,
    data_dir: DataDir = None,
) -> None:
    """Run the API and workers until Ctrl-C, with embedded servers if REDIS_URL or DATABASE_URL is not set."""
    session = _session(context, data_dir)
    options = StackOptions(session.find_data_dir(), port=port, workers=workers, concurrency=concurrency)
    with _running(options, session) as (stack, stopped):
        make_first_user(Session(stack.api_url, options.data_dir, language=session.language))
        session.say(
            "Kaboom is ready on {api_url}  (data: {data_dir}, stop: Ctrl-C)",
            api_url=stack.api_url,
            data_dir=stack.data_dir,
        )
        session.say("dashboard: {url}", url=stack.api_url)
        stopped.wait()


def demo(
    context: typer.Context,
    *,
    exit_after: Annotated[bool, typer.Option("--exit", help="stop when the job ends")] = False,
    port: Annotated[int | None, typer.Option(help="port of the API (default: 8000 or a free one)")] = None,
    concurrency: Concurrency = 4,
    data_dir: DataDir = None,
) -> None:
    """Start everything; ingest a day of generated 1-minute bars of all of TSE Prime, and a year of 1d bars of three."""
    session = _session(context, data_dir)
    options = StackOptions(session.find_data_dir(), port=port or choose_port(), concurrency=concurrency)
    cut_short = Exit.INTERRUPTED if exit_after else Exit.OK
    with _running(options, session, cut_short) as (stack, stopped):
        session = replace(session, api_url=stack.api_url, data_dir=options.data_dir)
        if not exit_after:
            make_first_user(session)
        client = session.client()
        accepted, days = [
            client.call("POST", "/api/v1/ingest/run-daily", json=body) for body in (_DEMO_MINUTES, _DEMO_DAYS)
        ]
        session.say("job {job_id} accepted", job_id=accepted["job_id"])
        session.say("dashboard: {url}", url=f"{stack.api_url}/jobs/ingest/{accepted['job_id']}")
        job = watch_job(session, client, accepted["job_id"], should_stop=stopped.is_set)
        print_summary(session, job)
        session.say("a year of daily bars of three symbols, to test strategies on: job {job_id}", job_id=days["job_id"])
        of_days = watch_job(session, client, days["job_id"], should_stop=stopped.is_set)
        job = of_days if job["status"] == "completed" else job
        if not exit_after and not stopped.is_set():
            session.say("a chart of them: {url}", url=f"{stack.api_url}/symbols/7203?interval=1d")
            if activation := find_activation():
                session.say("for the commands here, first run in another terminal: {command}", command=activation)
            session.say("in another terminal: kaboom backtest run sma_cross --symbol 7203 --interval 1d --wait")
            session.say("Kaboom stays up on {api_url}; Ctrl-C stops it", api_url=stack.api_url)
            stopped.wait()
    raise typer.Exit(BY_STATUS.get(job["status"], cut_short) if exit_after else Exit.OK)


def serve(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="PORT", help="port to listen on")] = 8000,
) -> None:
    """Run only the API."""
    import uvicorn  # noqa: PLC0415  no other command needs a web server

    from kaboom.main import create_app  # noqa: PLC0415  the same
    from kaboom.web.server.options import server_options  # noqa: PLC0415  the same

    raise_open_files()
    return_large_blocks()
    settings = load_settings()
    app = create_app(settings)
    # Checked before the server starts: the server would report a fault as a crash with a traceback.
    asyncio.run(check_parts(settings, CATALOG, role="api-start"))
    freeze_loaded_objects()
    uvicorn.run(app, host=host, port=port, timeout_graceful_shutdown=3, **server_options(settings.max_connections))


def worker(context: typer.Context) -> None:
    """Run a Celery worker for all five queues; further arguments go to Celery."""
    os.execv(sys.executable, [*worker_argv(load_settings().slots), *context.args])  # noqa: S606


def migrate() -> None:
    """Update the ledger's schema in DATABASE_DIRECT_URL, else in DATABASE_URL."""
    from kaboom.cli.stack.migrate import migrate as run_migrations  # noqa: PLC0415  Alembic costs 0.2 s

    run_migrations(load_settings().require_migration_url())


def find_activation() -> str:
    """Return what a new shell runs once, so that it finds this `kaboom`; "" if `kaboom` is on the PATH."""
    script = Path(sys.prefix, "bin/activate")
    if shutil.which("kaboom") or not script.is_file():
        return ""
    near = script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script
    return f". {shlex.quote(str(near))}"


def _session(context: typer.Context, data_dir: DataDir) -> Session:
    session: Session = context.obj
    return replace(session, data_dir=data_dir or session.data_dir)


@contextmanager
def _running(options: StackOptions, session: Session, cut_short: Exit = Exit.OK) -> Iterator[tuple[Stack, StopEvent]]:
    """Run a stack during a `with`; a signal to stop sets the event, and ends a start with the exit code `cut_short`."""
    # Neither a closed terminal nor a reader that is gone may end this process before it has stopped its children.
    drop_unwritable_output()
    stopped = _stop_on_signals()
    stack, is_up = Stack(options, session, stopped), False
    try:
        stack.start()
        is_up = True
        yield stack, stopped
        session.say("stopping …")
    except Exception as e:
        if is_up or not stopped.is_set():
            raise
        # Ctrl-C also reaches the programs that a start runs, such as initdb, which then fail.
        raise typer.Exit(cut_short) from e
    finally:
        # A stop sets the event too.
        was_asked = stopped.is_set()
        stack.stop()
        if is_up or was_asked:
            session.say("stopped; everything that was accepted is kept in {data_dir}", data_dir=options.data_dir)


def _stop_on_signals() -> StopEvent:
    stopped = StopEvent()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # `nohup` ignores SIGHUP.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: stopped.set())
    return stopped


def make_first_user(session: Session) -> None:
    """Create an admin if there is no user yet, and show the password once; it is never stored in clear text."""
    # For an external database, the operator creates the users.
    if os.environ.get("DATABASE_URL"):
        return
    try:
        client = session.client()
        if client.call("GET", "/api/v1/users")["items"]:
            return
        password = secrets.token_urlsafe(12)
        client.call("POST", "/api/v1/users", json={"name": "admin", "role": "admin", "password": password})
    except CliError as e:
        # Kaboom works without this user: the ingest token can log in, too.
        session.tell(e.message)
        return
    session.say(
        "first user created: log in as {name} with the password {password}; shown only this once",
        name="admin",
        password=password,
    )


class Lossy:
    """A stream that drops what cannot be written: its reader is gone, its terminal closed, its disk full."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        # A closed stream raises a ValueError.
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def drop_unwritable_output() -> None:
    """Let writes to stdout and stderr never fail, from now on; also those of logs."""
    sys.stdout, sys.stderr = _wrap(sys.stdout), _wrap(sys.stderr)
    # By default structlog takes the stdout of its own import, which may be None.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stdout))


def _wrap(stream: TextIO | None) -> TextIO:
    # A stream that was closed before the start is None.
    return cast("TextIO", Lossy(stream or Path(os.devnull).open("w", encoding="utf-8")))
