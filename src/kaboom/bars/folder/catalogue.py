"""The list of files that a bar store should have, so that a missing file is noticed."""

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kaboom.drivers.disk import sync
from kaboom.market.interval import Interval

NAME = "catalogue.txt"
_ENTRY = re.compile(rf"[a-z][a-z0-9_-]*/((?:{'|'.join(Interval)})/(\d{{4}}-\d{{2}}|all|undated)|actions)\.sqlite")


class Catalogue:
    """The list of files under a root, one path a line, oldest first.

    A writer adds a file before it acknowledges the first bars in it. Lines are only appended: Kaboom never deletes a
    file of bars. A line that a crash cut off is ignored; its writer acknowledged nothing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.path = root / NAME
        self._noted = set[Path]()

    def note(self, file: Path) -> None:
        """Add an existing file, unless it is listed; on return the line is on the disk.

        The first call for a folder lists every file in it, so that files of older versions are listed too.

        Raises:
            OSError: the list could not be written.

        """
        if file in self._noted:
            return
        entry = file.relative_to(self._root).as_posix()
        known = self.entries()
        if known is None:
            self.make()
            known = self.entries() or frozenset()
        if entry not in known:
            self._append(entry)
        self._noted.add(file)

    def entries(self) -> frozenset[str] | None:
        """Return the listed files, relative to the root; None if there is no list yet.

        Raises:
            OSError: the list could not be read.

        """
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        return frozenset(line for line in text.splitlines() if _ENTRY.fullmatch(line))

    def missing(self) -> list[Path]:
        """Return the listed files that do not exist, sorted.

        Raises:
            OSError: the list could not be read.

        """
        return [path for entry in sorted(self.entries() or ()) if not (path := self._root / entry).exists()]

    def is_lost(self) -> bool:
        """Return whether there is no list although there are files.

        Raises:
            OSError: the list or the folder could not be read.

        """
        return self.entries() is None and any(True for _ in self._find())

    def _append(self, entry: str) -> None:
        # A newline on both sides, since the last line may be cut off. One write, so that lines of processes do not mix.
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(handle, f"\n{entry}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)

    def make(self) -> None:
        """Make the list from the files that exist, unless there is one.

        Raises:
            OSError: the list could not be written.

        """
        draft = self._root / f".{NAME}.{uuid.uuid4().hex}.new"
        try:
            draft.write_text("".join(f"{entry}\n" for entry in sorted(self._find())), encoding="utf-8")
            sync(draft)
            with suppress(FileExistsError):  # another writer was first
                os.link(draft, self.path)
            sync(self._root)
        finally:
            draft.unlink(missing_ok=True)

    def _find(self) -> Iterator[str]:
        for pattern in ("*/*.sqlite", "*/*/*.sqlite"):
            found = (path.relative_to(self._root).as_posix() for path in self._root.glob(pattern))
            yield from (entry for entry in found if _ENTRY.fullmatch(entry))
