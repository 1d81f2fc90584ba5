"""The files of a folder and of its zip files, without links that lead outside of it, and the bounds of what is read."""

import gzip
import os
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import IO
from zipfile import BadZipFile

from kaboom.errors import ProviderError
from kaboom.providers.file.errors import FileRefused, Refusal
from kaboom.providers.file.names import SUFFIXES
from kaboom.providers.file.packed import XLSX, ZIP, list_members, open_member, open_regular, read_workbook
from kaboom.providers.file.rules import RULES_FILE, Rule, RulesFile, find_rule_line, read_rules_file

#: The names of files that have one price, or the volume, of many symbols; the closing prices have the dates.
FIELDS = ("close", "open", "high", "low", "volume")
#: The endings of files that may hold bars, and that are not read.
_UNREAD = (
    ".xls",
    ".xlsm",
    ".xlsb",
    ".ods",
    ".feather",
    ".json",
    ".jsonl",
    ".ndjson",
    ".7z",
    ".rar",
    ".tar",
    ".tgz",
    ".tar.gz",
    ".bz2",
    ".xz",
    ".zst",
)
#: The beginnings of names that are left out: hidden files, and those of workbooks that are open in Excel.
_LEFT_OUT = (".", "~$")
_MIB = 1 << 20
#: A header is at most this long.
_HEADER_BYTES = 64 << 10
#: A file has at most one line for this many bytes of its limit, since even an empty line becomes a row of nulls.
_BYTES_PER_LINE = 32
#: The least memory of a cell.
_BYTES_PER_CELL = 8
#: A text has at most one cell for this many bytes of its limit: an empty one is a comma, and takes 30 bytes of memory.
_BYTES_PER_TEXT_CELL = 4


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it is now; `name` is its path below the folder, with slashes, and `rule` its rule of `files.toml`.

    A file in a zip has the path and the time of the zip, and the name and the size of the `member`. A file of closing
    prices has the files of the other prices beside it, and of the volume, as `fields`, in the order of `FIELDS`.
    """

    path: Path
    name: str
    modified_ns: int
    size: int
    rule: Rule | None = field(default=None, hash=False)
    member: str | None = None
    fields: tuple["SourceFile", ...] = ()

    @property
    def suffix(self) -> str:
        """The last ending of its name, in lower case."""
        return Path(self.name).suffix.lower()


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder in the order of their names, and those parts of it that cannot be read."""

    files: Sequence[SourceFile]
    refusals: Sequence[Refusal]


def list_files(root: Path) -> Listing:
    """Return the files below a folder, or the one file that `root` is; hidden ones are left out.

    Raises:
        ProviderError: there are no files, or `files.toml` cannot be read.

    """
    rules = read_rules_file(root)
    refusals: list[Refusal] = []
    if root.is_dir():
        files = sorted(_walk(root, "", root.resolve(), refusals), key=lambda file: file.name.split("/"))
    else:
        is_data = root.is_file() and _is_data(root.name)
        files = list(_expand(root, root.name, refusals)) if is_data else []
    if not files and not refusals:
        state = "holds none" if root.exists() else "does not exist"
        raise ProviderError(f"expected files ending in {', '.join((*SUFFIXES, ZIP))} in {root.name}, which {state}")
    files = _join_fields(files)
    if rules.rules:
        files = [replace(file, rule=rules.find(file.name)) for file in files]
        refusals += _find_idle(rules, files, root) if root.is_dir() else ()
    return Listing(files, refusals)


def _find_idle(rules: RulesFile, files: Sequence[SourceFile], root: Path) -> Iterator[Refusal]:
    """Yield a refusal of each rule that matches no file."""
    used = {file.rule for file in files}
    for number, rule in enumerate(rules.rules):
        if rule not in used and not any(rule.matches(file.name) for file in files):
            why = f"expected files that the rule {rule.files!r} matches, found none"
            yield Refusal(RULES_FILE, why, find_rule_line(root, number))


def _join_fields(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Return files without `open.csv`, `high.csv` and so on if a folder has all prices: they belong to its close."""
    fields: dict[tuple[str, str], dict[str, SourceFile]] = defaultdict(dict)
    for file in files:
        folder, _, name = file.name.rpartition("/")
        stem, _, ending = name.lower().partition(".")
        if stem in FIELDS and ending != "parquet":
            fields[folder, ending][stem] = file
    joined: dict[SourceFile, SourceFile | None] = {}
    for found in fields.values():
        if set(FIELDS[:-1]) <= set(found):
            close, *others = (found[name] for name in FIELDS if name in found)
            joined |= {close: replace(close, fields=tuple(others)), **dict.fromkeys(others)}
    if not joined:
        return list(files)
    return [each for file in files if (each := joined.get(file, file)) is not None]


def _walk(folder: Path, below: str, root: Path, refusals: list[Refusal]) -> Iterator[SourceFile]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as e:
        refusals.append(Refusal(below or folder.name, f"the folder cannot be read: {e.strerror}"))
        return
    for entry in entries:
        name = f"{below}/{entry.name}" if below else entry.name
        if entry.name.startswith(_LEFT_OUT):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), name, root, refusals)
        elif _is_data(entry.name) and _is_file(entry):
            path = Path(entry.path)
            if entry.is_symlink() and not path.resolve().is_relative_to(root):
                refusals.append(Refusal(name, "expected a file of this folder, found a link that leads out of it"))
                continue
            yield from _expand(path, name, refusals)
        elif kind := next((end for end in _UNREAD if entry.name.lower().endswith(end)), None):
            refusals.append(
                Refusal(name, f"expected CSV, Excel (.xlsx) or Parquet, found {kind}: save it as one of them")
            )


def _expand(path: Path, name: str, refusals: list[Refusal]) -> Iterator[SourceFile]:
    """Yield a file, or those in a zip."""
    info = path.stat()
    if not name.lower().endswith(ZIP):
        yield SourceFile(path, name, info.st_mtime_ns, info.st_size)
        return
    members, refused = list_members(path, name)
    refusals += refused
    for each in members:
        yield SourceFile(path, f"{name}/{each.name.removeprefix('./')}", info.st_mtime_ns, each.size, member=each.name)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False


def _is_data(name: str) -> bool:
    return name.lower().endswith((*SUFFIXES, ZIP))


@dataclass(frozen=True, slots=True)
class FileLimits:
    """The size of the largest file that is read: `max_mb` MiB, unpacked."""

    max_mb: int = 256

    def read_head(self, file: SourceFile) -> tuple[bytes, bool]:
        """Return the first bytes of a CSV, which hold its titles and its header, and whether there are more.

        Raises:
            FileRefused: its first line is too long.
            OSError, EOFError, zlib.error: the file cannot be read.

        """
        with self._open(file, is_head=True) as opened:
            content = opened.read(_HEADER_BYTES + 1)
        is_cut = len(content) > _HEADER_BYTES
        if is_cut and b"\n" not in content:
            raise FileRefused(
                file.path, f"expected a header of at most {_HEADER_BYTES:,} bytes, found a longer line", line=1
            )
        return content, is_cut

    def read_csv(self, file: SourceFile) -> bytearray:
        """Return a CSV, unpacked; a gzip is read to its end, so that a cut or damaged one is found.

        Raises:
            FileRefused: the file is too large, or has too many lines.
            OSError, EOFError, zlib.error: the file cannot be read.

        """
        most, content = self.max_mb * _MIB, bytearray()
        if file.size > most:
            raise self._refuse(file, "it is larger")
        with self._open(file) as opened:
            while block := opened.read(_MIB):
                content += block
                if len(content) > most:
                    raise self._refuse(file, "it is larger")
        if (lines := content.count(b"\n")) > most // _BYTES_PER_LINE:
            raise self._refuse(file, f"it has {lines:,} lines, more than one for each {_BYTES_PER_LINE} bytes of that")
        return content

    def check_table(self, file: SourceFile, rows: int, columns: int) -> None:
        """Raise FileRefused for a Parquet file that is larger than the limit, or would be in memory."""
        if file.size > self.max_mb * _MIB or rows * columns * _BYTES_PER_CELL > self.max_mb * _MIB:
            raise self._refuse(file, f"it has {rows:,} rows of {columns} columns")

    def check_cells(self, file: SourceFile, rows: int, columns: int) -> None:
        """Raise FileRefused for a CSV with so many cells that are read that they would take too much memory."""
        if rows * columns * _BYTES_PER_TEXT_CELL > self.max_mb * _MIB:
            raise self._refuse(file, f"it has {rows:,} rows of {columns} columns")

    def check_texts(self, file: SourceFile, size: int) -> None:
        """Raise FileRefused for a Parquet file with more bytes of texts than the limit: a repeated one is kept once."""
        if size > self.max_mb * _MIB:
            raise self._refuse(file, f"its texts have {size:,} bytes")

    def _refuse(self, file: SourceFile, why: str) -> FileRefused:
        limit = f"expected at most {self.max_mb} MiB, unpacked (KABOOM_FILE_MAX_MB)"
        return FileRefused(file.path, f"{limit}, and {why}; split the file or set a higher limit")

    @contextmanager
    def _open(self, file: SourceFile, *, is_head: bool = False) -> Iterator[IO[bytes]]:
        """Open the text of a file; with `is_head`, at least its first lines."""
        if file.suffix == XLSX:
            yield BytesIO(read_workbook(file.path, self.max_mb, is_head=is_head))
            return
        member = file.member and open_member(file.path, file.modified_ns, file.member)
        with member or open_regular(file.path) as raw:
            if file.suffix != ".gz":
                yield raw
                return
            with gzip.GzipFile(fileobj=raw) as packed:
                yield packed  # type: ignore[misc]  # it reads as one


#: The exceptions of reading a file that is damaged or was removed.
DAMAGED = (OSError, EOFError, zlib.error, BadZipFile, RuntimeError)
