"""The age of the newest backup of each kind in a folder, as `infra/compose/nightly.sh` names them."""

import re
from collections.abc import Iterator
from pathlib import Path
from time import time

from kaboom.telemetry.metrics import BACKUP_AGE_SECONDS, Reading

#: An unfinished backup has another suffix.
_NAME = re.compile(r"(?P<kind>[a-z0-9-]+)-\d{4}-\d\d-\d\d(\.\w+)?")
_UNFINISHED = ".part"


def read_backups(folder: Path) -> list[Reading]:
    """Return the age of the newest backup of each kind; without any backup that of a kind `none`, as old as 1970."""
    newest: dict[str, float] = {}
    for kind, made_at in _find(folder):
        newest[kind] = max(made_at, newest.get(kind, 0.0))
    now = time()
    return [Reading(BACKUP_AGE_SECONDS, max(now - made_at, 0.0), (kind,)) for kind, made_at in newest.items()] or [
        Reading(BACKUP_AGE_SECONDS, now, ("none",))
    ]


def _find(folder: Path) -> Iterator[tuple[str, float]]:
    try:
        for entry in folder.iterdir():
            found = _NAME.fullmatch(entry.name)
            if found and not entry.name.endswith(_UNFINISHED):
                yield found["kind"], entry.stat().st_mtime
    except OSError:
        return
