"""The folder of a backup: its manifest, the draft that it is made in, and the PostgreSQL that runs meanwhile."""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from kaboom.bars.pages.schema import FORMAT_VERSION
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.stack.child import Child, ChildSpec
from kaboom.cli.stack.data_folder import end_orphans, mark_children
from kaboom.drivers.disk import make_folders, sync
from kaboom.drivers.embedded.run_file import write_private
from kaboom.drivers.embedded.servers import embed_postgres
from kaboom.errors import Conflict, NotFound

NAME = "manifest.json"
LEDGER = "ledger.dump"
#: The format of backup folders; it is increased when the meaning of a file changes. A release reads older formats.
BACKUP_FORMAT = 1
#: Tables whose rows are neither dumped nor restored: the keys that logins and cursors are signed with, and sessions, of
#: which some may have been ended since.
WITHOUT = ("api_keys", "browser_sessions")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of a backup.

    Attributes:
        revision: the ledger's migration; "" if the backup has no ledger.
        rows: the rows of each table of the ledger.
        bars: how many bars; None if the backup has no bars.
        lacks: what the backup does not contain, one sentence each.
        files: size and SHA-256 of each file, by its path in the backup.

    """

    made_at: str
    revision: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    bars: int | None = None
    lacks: tuple[str, ...] = ()
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    format: int = BACKUP_FORMAT
    page_format: int = FORMAT_VERSION
    kaboom: str = field(default_factory=lambda: version("kaboom-api"))

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(size for size, _ in self.files.values())

    def write(self, folder: Path) -> None:
        """Write the manifest, readable by its owner only.

        Raises:
            OSError: the file cannot be written.

        """
        content = asdict(self)
        whole = {**content, "sha256": _digest(content)}
        write_private(folder / NAME, orjson.dumps(whole, option=orjson.OPT_INDENT_2) + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a backup that this release can read.

    Raises:
        NotFound: the folder has no manifest.
        CliError: the manifest is damaged.
        Conflict: a newer Kaboom made the backup.

    """
    try:
        content = orjson.loads((folder / NAME).read_bytes())
        digest = content.pop("sha256")
    except FileNotFoundError:
        raise NotFound(f"{folder} is not a complete backup: it has no {NAME}") from None
    except (KeyError, TypeError, AttributeError, orjson.JSONDecodeError):
        raise _damaged(f"{folder / NAME} cannot be read") from None
    if digest != _digest(content):
        raise _damaged(f"{folder / NAME} does not match its checksum")
    _check_age(content)
    try:
        return Manifest(**content | {"lacks": tuple(content["lacks"])})
    except (KeyError, TypeError):
        raise _damaged(f"{folder / NAME} cannot be read") from None


def check_files(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Compare each file of a backup with the manifest; yield the name of each file that is undamaged.

    Raises:
        CliError: a file is missing, damaged, or does not belong to the backup.

    """
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()} - {NAME}
    if strange := sorted(found - manifest.files.keys()):
        raise _damaged(f"{folder / strange[0]} is not in the manifest")
    for name, (size, digest) in manifest.files.items():
        path = folder / name
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or path.is_symlink():
            raise _damaged(f"{path} is not a file of the backup")
        if not path.is_file():
            raise _damaged(f"{path} is missing")
        if path.stat().st_size != size or hash_file(path) != digest:
            raise _damaged(f"{path} does not match its checksum")
        yield name


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file in hex.

    Raises:
        OSError: the file cannot be read.

    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_age(content: dict[str, Any]) -> None:
    newer = content["format"] > BACKUP_FORMAT or content["page_format"] > FORMAT_VERSION
    if newer or _release(content["kaboom"]) > _release(version("kaboom-api")):
        raise Conflict(f"Kaboom {content['kaboom']} made this backup, which is newer than {version('kaboom-api')}")


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _damaged(message: str) -> CliError:
    return CliError(Exit.JOB_FAILED, f"the backup is damaged: {message}")


@contextmanager
def draft_of(target: Path, *, mode: int = 0o700) -> Iterator[Path]:
    """Yield a hidden draft folder beside the target; it replaces the target at the end.

    Raises:
        Conflict: the target is a mount point, or is not an empty folder.
        OSError: the folder cannot be created.

    """
    target = target.resolve()
    _check_free(target)
    make_folders(target.parent)
    _remove_abandoned(target)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.draft")
    draft.mkdir(mode=mode)
    handle = os.open(draft, os.O_RDONLY)
    try:
        # The lock shows other processes that this draft is in use.
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield draft
        sync(draft)
        _check_free(target)
        draft.replace(target)
        sync(target.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finally:
        os.close(handle)


def _check_free(target: Path) -> None:
    if target.is_mount():
        raise Conflict(f"{target} is a mount point, which cannot be replaced: name a folder in it")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise Conflict(f"{target} is there and not empty: name a folder that is empty or not there")


def _remove_abandoned(target: Path) -> None:
    for draft in target.parent.glob(f".{target.name}.*.draft"):
        handle = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # Another process uses the draft.
            continue
        else:
            # A killed restore may have left its PostgreSQL running.
            end_orphans(draft)
            shutil.rmtree(draft)
        finally:
            os.close(handle)


@contextmanager
def started_postgres(data_dir: Path, log: Path) -> Iterator[str]:
    """Run the PostgreSQL of a data folder on which no Kaboom runs, and yield its address.

    Raises:
        ConfigurationError: PostgreSQL does not start.

    """
    server = embed_postgres(data_dir.resolve())
    spec = ChildSpec(
        server.name,
        server.argv,
        log,
        server.is_ready,
        env=mark_children(data_dir),
        stop_signal=server.stop_signal,
        user=server.user,
        folder=server.folder,
    )
    child = Child(spec)
    try:
        child.wait_ready()
        yield server.url
    finally:
        child.stop()
