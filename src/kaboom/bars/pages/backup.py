"""Copying the files of a bar store while workers write: each copy is consistent. Errors are raised as StoreError."""

import shutil
from pathlib import Path

from kaboom.bars.folder.connection import connected, has_table, store_errors
from kaboom.drivers.disk import make_folders, sync

_SUFFIX = ".sqlite"
#: Files that SQLite keeps beside an open one.
_BESIDE = ("-wal", "-shm", "-journal")
_ACTIONS = "actions.sqlite"


def list_store_files(root: Path) -> list[Path]:
    """Return the files of a bar store in the order to copy them, relative to its root.

    Corporate actions come last: they are written before the bars that they explain, so that no copied bar lacks its
    action.
    """
    with store_errors(root):
        # By depth, since `**` does not follow links, and a folder may be a link to another disk.
        paths = [path for depth in ("*", "*/*", "*/*/*") for path in root.glob(depth)]
        found = [path.relative_to(root) for path in paths if path.is_file()]
    kept = [p for p in found if not p.name.endswith(_BESIDE) and not any(part.startswith(".") for part in p.parts)]
    return sorted(kept, key=lambda path: (path.name == _ACTIONS, path.suffix == _SUFFIX, path))


def copy_store_file(source: Path, target: Path) -> None:
    """Copy a file of a bar store; on return the copy is on the disk."""
    with store_errors(target):
        make_folders(target.parent)
        target.touch(mode=0o600)
    if source.suffix == _SUFFIX:
        _copy_database(source, target)
    else:
        with store_errors(source):
            shutil.copyfile(source, target)
    with store_errors(target):
        sync(target)
        sync(target.parent)


def count_bars(path: Path) -> int:
    """Return how many bars a copied file holds; 0 for a file without pages."""
    if path.suffix != _SUFFIX:
        return 0
    # Immutable, so that SQLite makes no log beside the copy.
    with connected(path, "mode=ro&immutable=1") as sql:
        if not has_table(sql, "page"):
            return 0
        return int(sql.execute("SELECT coalesce(sum(n), 0) FROM page").fetchone()[0])


def _copy_database(source: Path, target: Path) -> None:
    # All pages in one step: in several, each write of a worker would restart the copy.
    with connected(source, "mode=rw") as sql, connected(target, "mode=rw") as copy:
        sql.backup(copy, pages=-1)
