"""The folder that damaged files and pages are moved to; nothing in it is ever deleted."""

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from kaboom.drivers.durable import make_folders, sync

#: Not the name of a source, so that it is not searched for bars; on the disk of the bars, so that files can be moved.
FOLDER = "_set-aside"


class DamageArchive:
    """The files and rows that one repair removes from the store, in a folder created on first use."""

    def __init__(self, root: Path, at: datetime) -> None:
        self._root = root
        self._folder = root / FOLDER / at.strftime("%Y%m%dT%H%M%S.%fZ")

    def keep_rows(self, path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Keep rows of a file as JSON lines, blobs in base64; return the path of the durable file.

        Raises:
            OSError: the rows could not be written.

        """
        kept = self._place(path).with_suffix(".pages.jsonl")
        with kept.open("ab") as file:
            for row in rows:
                file.write(orjson.dumps(dict(row), default=_encode) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync(kept.parent)
        return kept

    def keep_file(self, path: Path, *beside: str) -> Path:
        """Link a file here, move the files beside it (such as `-wal`), and return the path; the file itself stays.

        Raises:
            OSError: a file could not be linked or moved.

        """
        kept = self._place(path)
        for suffix in beside:
            with suppress(FileNotFoundError):
                path.with_name(f"{path.name}{suffix}").rename(kept.with_name(f"{kept.name}{suffix}"))
        with suppress(FileNotFoundError):
            os.link(path, kept)
        sync(kept.parent)
        return kept

    def _place(self, path: Path) -> Path:
        place = self._folder / path.relative_to(self._root)
        make_folders(place.parent)
        return place


def _encode(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"a row had a {type(value).__name__}, expected a number, a text or bytes")
