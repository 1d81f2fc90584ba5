"""The folder that damaged files and pages are moved to; nothing in it is ever deleted."""

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from batch.kit.durable import make_folders, sync

#: Not the name of a source, so nothing that looks for bars looks into it; on the disk of the bars, so files can move.
FOLDER = "_set-aside"


class Aside:
    """What one repair sets aside, in a folder named by its time; the folder is made for the first thing in it."""

    def __init__(self, root: Path, at: datetime) -> None:
        self._root = root
        self._folder = root / FOLDER / at.strftime("%Y%m%dT%H%M%S.%fZ")

    def keep_rows(self, path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Keep rows of a file as lines of JSON, blobs as base64, and return where; they are on the disk then.

        Raises:
            OSError: they could not be written.

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
        """Give a file a second name here, move what lies beside it (`-wal`), and return where; the file stays, too.

        Raises:
            OSError: it could not be done.

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
