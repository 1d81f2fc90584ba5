"""The files of a folder, and of its zip files, that end like files of bars, without links that lead outside of it."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kaboom.errors import ProviderError
from kaboom.providers.file.errors import Refusal
from kaboom.providers.file.names import SUFFIXES
from kaboom.providers.file.packed import ZIP, list_members
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
        entries = list(os.scandir(folder))
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
