"""One whole Kaboom on this machine: embedded servers, migrations, API and workers, under one lock."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx2
import structlog

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.session import Session
from kaboom.cli.stack.child import Child, ChildSpec
from kaboom.cli.stack.data_folder import end_orphans, hold_lock, mark_children
from kaboom.cli.stack.guard import guard_spec
from kaboom.cli.stack.supervisor import Supervisor
from kaboom.client.places import TOKEN_FILE
from kaboom.drivers.disk import find_full
from kaboom.drivers.embedded.run_file import identify_folder, prove_token, read_run_file, write_private, write_run_file
from kaboom.drivers.embedded.servers import EmbeddedServer, embed_postgres, embed_valkey, free_port, is_free
from kaboom.drivers.embedded.trusted_files import check_folder, read_trusted
from kaboom.drivers.stop import StopEvent
from kaboom.errors import ConfigurationError
from kaboom.jobs.callbacks.url_guard import make_webhook_secret
from kaboom.jobs.queues import Queue
from kaboom.settings import load_settings
from kaboom.web.auth.tokens import make_ingest_token, parse_ingest_tokens

#: The options of the documented worker command, but for those of its pool.
WORKER_OPTIONS = ("--loglevel=info", f"--queues={','.join(Queue)}")
#: The file with the secret that signs webhooks; receivers check signatures with the same secret.
WEBHOOK_SECRET_FILE = "webhook-secret"  # noqa: S105  the name of a file
#: The file with the key that encrypts the URLs of notification channels.
NOTIFICATION_KEY_FILE = "notification-key"
_log = structlog.get_logger(__name__)
_QUIET = ("--without-gossip", "--without-mingle")


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What to run, and where."""

    data_dir: Path
    port: int = 8000
    workers: int = 1
    concurrency: int = 4


class Stack:
    """Starts and stops everything; children that die meanwhile are restarted with their data.

    Once `stopping` is set, a start ends early.
    """

    def __init__(self, options: StackOptions, session: Session, stopping: StopEvent | None = None) -> None:
        self._options = options
        self._session = session
        self._supervisor = Supervisor(self._write_run_file, self._holds_folder, self._find_full, stopping)
        self._lock: IO[bytes] | None = None
        self._folder, self._is_held, self._is_full = "", True, False
        self._mark: dict[str, str] = {}
        self._tokens: tuple[str, ...] = ()
        # A local Kaboom does not use Secret Manager.
        self._has_bars = load_settings(KABOOM_SECRET_PROJECT="").keeps_bars_in_folder
        self._urls: dict[str, str] = {}
        self.data_dir = options.data_dir
        self.api_url = f"http://127.0.0.1:{options.port}"

    def start(self) -> None:
        """Start everything, in order.

        Raises:
            CliError: another Kaboom runs on the data folder, the port is taken, or a stop was requested.
            ConfigurationError: a child does not start, or a file cannot be written.

        """
        try:
            self._start()
        except OSError as e:
            raise ConfigurationError(f"{e.filename or self.data_dir}: {e.strerror or e}") from e

    def stop(self) -> None:
        """Stop everything, the last started first, and delete `run.json`."""
        if self._lock is None:  # another Kaboom runs on the folder
            return
        self._supervisor.stop()
        # Keep the file of another Kaboom: it may have been running already, or may have taken over the folder.
        if read_run_file(self.data_dir).get("pid") == os.getpid():
            (self.data_dir / "run.json").unlink(missing_ok=True)
        self._lock.close()

    def _start(self) -> None:
        # If root runs this, PostgreSQL runs as `nobody`, who needs to enter the folder; secret files have mode 0600.
        self.data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        # Files that others put there could hold a token that they know.
        check_folder(self.data_dir)
        self._lock = hold_lock(self.data_dir, self._session)
        self._folder, self._mark = identify_folder(self.data_dir), mark_children(self.data_dir)
        logs = self.data_dir / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        logs.chmod(0o700)  # an earlier release made it readable for all users
        if orphans := end_orphans(self.data_dir):
            self._session.say("ended {count} process groups that a killed Kaboom had left", count=orphans)
        if not is_free(self._options.port):
            raise CliError(
                Exit.CONFLICT,
                self._session.words.say(
                    "port {port} is taken by another program: give another --port", port=self._options.port
                ),
            )
        env = self._load_secrets()
        self._supervisor.start([guard_spec(self._mark, self._log("guard"))])
        self._start_servers()
        self._migrate()
        self._session.say("starting {what} …", what="api, worker")
        env |= self._environment()
        self._supervisor.start([self._api(env), *self._workers(env)])
        self._supervisor.watch()

    def _holds_folder(self) -> bool:
        """Return whether the folder is still the same as at the start, not removed or replaced."""
        is_held = self._folder == identify_folder(self.data_dir)
        if self._is_held and not is_held:
            self._session.say(
                "the data folder {data_dir} was removed or replaced: processes that end are not "
                "restarted until it is back; stop this Kaboom",
                data_dir=self.data_dir,
            )
        self._is_held = is_held
        return is_held

    def _find_full(self) -> str:
        """Return that the disk is full, and tell when it becomes so and when it has room again; else ""."""
        why = find_full(self.data_dir)
        if self._is_full != bool(why):
            self._is_full = bool(why)
            if why:
                self._session.say(
                    "{why}: jobs wait until there is room, and processes that end start again by themselves",
                    why=self._session.words.detail(why),
                )
            else:
                self._session.say("the disk of {data_dir} has room again: jobs go on", data_dir=self.data_dir)
        return why

    def _load_secrets(self) -> dict[str, str]:
        """Return the secrets of the environment, else those in the data folder, which are created if missing."""
        token = os.environ.get("INGEST_API_TOKEN")
        if not token:
            token, is_new = self._keep_secret(TOKEN_FILE, make_ingest_token)
            if is_new:
                self._session.say(
                    "ingest token created and kept in {path}; shown only this once: {token}",
                    path=self.data_dir / TOKEN_FILE,
                    token=token,
                )
        self._tokens = parse_ingest_tokens(token)
        found = {"INGEST_API_TOKEN": token}
        kept = {
            "KABOOM_WEBHOOK_SECRET": (WEBHOOK_SECRET_FILE, make_webhook_secret),
            "KABOOM_NOTIFICATION_KEY": (NOTIFICATION_KEY_FILE, make_ingest_token),
        }
        for variable, (name, make) in kept.items():
            found[variable] = os.environ.get(variable) or self._keep_secret(name, make)[0]
        return found

    def _keep_secret(self, name: str, make: Callable[[], str]) -> tuple[str, bool]:
        """Return the secret in a file, and whether it was made now."""
        path = self.data_dir / name
        is_new = not path.exists()
        if is_new:
            write_private(path, make().encode() + b"\n")
        if (content := read_trusted(self.data_dir, name)) is None:
            raise ConfigurationError(f"{path} cannot be read: check its owner and mode, or delete it for a new one")
        return content.decode(errors="replace").strip(), is_new

    def _start_servers(self) -> None:
        wanted: dict[str, Callable[[Path], EmbeddedServer]] = {
            "REDIS_URL": embed_valkey,
            "DATABASE_URL": embed_postgres,
        }
        self._urls = {name: os.environ[name] for name in wanted if os.environ.get(name)}
        missing = [name for name in wanted if name not in self._urls]
        with ThreadPoolExecutor() as pool:
            servers = list(pool.map(lambda name: wanted[name](self.data_dir.resolve()), missing))
        if servers:
            self._session.say("starting {what} …", what=", ".join(server.name for server in servers))
        self._urls |= {name: server.url for name, server in zip(missing, servers, strict=True)}
        self._supervisor.start([self._server(server) for server in servers])

    def _server(self, server: EmbeddedServer) -> ChildSpec:
        return ChildSpec(
            name=server.name,
            argv=server.argv,
            log=self._log(server.name),
            is_ready=server.is_ready,
            env=self._mark,
            stop_signal=server.stop_signal,
            user=server.user,
            folder=server.folder,
            address=server.address,
            repair=lambda words: self._say_repaired(server.repair(words)),
        )

    def _say_repaired(self, repaired: tuple[Path, str] | None) -> bool:
        if repaired is None:
            return False
        _log.warning("append_only_log_set_aside", path=str(repaired[0]), reason=repaired[1])
        self._session.say(
            "the embedded Redis's append-only log is damaged ({reason}) and was moved to {path}: "
            "Redis starts empty, and unfinished jobs are restored from the ledger",
            path=repaired[0],
            reason=repaired[1],
        )
        return True

    def _migrate(self) -> None:
        from kaboom.cli.stack.migrate import migrate  # noqa: PLC0415  Alembic costs 0.2 s that no other command needs

        # An embedded server has no separate address for migrations.
        direct = os.environ.get("DATABASE_DIRECT_URL") if os.environ.get("DATABASE_URL") else None
        migrate(direct or self._urls["DATABASE_URL"])

    def _environment(self) -> dict[str, str]:
        return {
            **self._urls,
            **self._mark,
            "KABOOM_DATA_DIR": str(self.data_dir.resolve()),
            "KABOOM_SLOTS": str(self._options.concurrency * self._options.workers),
            # Several workers here cannot listen on one port; an empty variable counts as not set.
            "PORT": "",
            "KABOOM_SIDE_PORT": "",
            # Do not use the broker or the bars of a deployment.
            "KABOOM_SECRET_PROJECT": "",
        }

    def _api(self, env: dict[str, str]) -> ChildSpec:
        argv = ("-m", "kaboom.cli.main", "serve", "--host", "127.0.0.1", "--port", str(self._options.port))
        return ChildSpec(
            name="api",
            argv=(sys.executable, *argv),
            log=self._log("api"),
            is_ready=lambda: self._get("/healthz") is not None,
            env=env,
        )

    def _workers(self, env: dict[str, str]) -> list[ChildSpec]:
        count, slots = self._options.workers, self._options.concurrency
        return [
            ChildSpec(
                name=f"worker-{i}",
                argv=(*worker_argv(slots), f"--hostname=kaboom-{i}@%h", *_QUIET),
                log=self._log(f"worker-{i}"),
                is_ready=lambda: self._workers_online() >= count,
                env=env,
            )
            for i in range(1, count + 1)
        ]

    def _workers_online(self) -> int:
        answer = self._get("/readyz")
        return int(answer["workers_online"]) if answer else 0

    def _get(self, path: str) -> dict[str, Any] | None:
        try:
            answer = httpx2.get(self.api_url + path, timeout=2, trust_env=False)
        except httpx2.HTTPError:
            return None
        content: dict[str, Any] = answer.json()
        return content

    def _log(self, name: str) -> Path:
        return self.data_dir / "logs" / f"{name}.log"

    def _write_run_file(self, children: list[Child]) -> None:
        content = {
            "pid": os.getpid(),
            "api_url": self.api_url,
            "proofs": [prove_token(token, self.data_dir, self.api_url) for token in self._tokens],
            "redis_url": self._urls.get("REDIS_URL"),
            "database_url": self._urls.get("DATABASE_URL"),
            # A backup does not use it if the bars are in InfluxDB.
            "bars_dir": str(self.data_dir.resolve() / "bars") if self._has_bars else None,
            "children": [{"name": child.spec.name, "pid": child.pid} for child in children],
        }
        write_run_file(self.data_dir, content)


def worker_argv(slots: int) -> tuple[str, ...]:
    """Return the command of a worker with a pool of so many processes."""
    size = (f"--concurrency={slots}", "--prefetch-multiplier=1")
    return (sys.executable, "-m", "kaboom.worker", *WORKER_OPTIONS, *size)


def choose_port(preferred: int = 8000) -> int:
    """Return the preferred port if nothing listens on it, else any free port."""
    return preferred if is_free(preferred) else free_port()
