"""`run.json`: the addresses and pids of a running Kaboom, for clients on the same machine."""

import hmac
import os
from pathlib import Path
from typing import Any

import orjson

from kaboom.drivers.embedded.trusted_files import read_trusted

NAME = "run.json"
#: The file whose lock a running Kaboom holds.
LOCK = "lock"


def find_data_dir() -> Path | None:
    """Return the nearest `.kaboom` folder with a `run.json`, in the working folder or a parent.

    Raises:
        ConfigurationError: another user can have put it there.

    """
    here = Path.cwd()
    folders = (folder / ".kaboom" for folder in (here, *here.parents))
    found = next((folder for folder in folders if (folder / NAME).is_file()), None)
    if found:
        read_trusted(found, NAME)
    return found


def identify_folder(data_dir: Path) -> str:
    """Return device, inode and time of the lock file, which differ in a copied folder; "" without a lock file."""
    try:
        stat = (data_dir / LOCK).stat()
    except OSError:
        return ""
    return f"{stat.st_dev}:{stat.st_ino}:{stat.st_mtime_ns}"


def read_run_file(data_dir: Path) -> dict[str, Any]:
    """Return the content of `run.json`; {} if it is missing, unreadable or was copied from another folder.

    Raises:
        ConfigurationError: another user can have written it.

    """
    try:
        content = orjson.loads(read_trusted(data_dir, NAME) or b"{}")
    except orjson.JSONDecodeError:
        return {}
    identity = identify_folder(data_dir)
    return content if isinstance(content, dict) and identity and content.get("folder") == identity else {}


def prove_token(token: str, data_dir: Path, api_url: str) -> str:
    """Return what the Kaboom of a folder and an address writes to `run.json` to show that it knows a token."""
    return hmac.digest(token.encode(), f"{identify_folder(data_dir)} {api_url}".encode(), "sha256").hex()


def write_private(path: Path, content: bytes, *, owner: int = -1) -> None:
    """Write a file that only its owner can read (0600), in one step: readers see the old or the new content.

    Raises:
        OSError: the file cannot be written; the old content stays.

    """
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchown(file.fileno(), owner, -1)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def write_run_file(data_dir: Path, content: dict[str, Any]) -> None:
    """Write `run.json` of a folder; readable by its owner only, since it holds passwords.

    Raises:
        OSError: the file cannot be written.

    """
    path = data_dir / NAME
    own = {"data_dir": str(data_dir.resolve()), "folder": identify_folder(data_dir)}
    wanted = orjson.dumps(own | content, option=orjson.OPT_INDENT_2) + b"\n"
    if _content(path) != wanted:
        write_private(path, wanted)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
