"""The files of a folder that end like files of bars, without links that lead outside of it."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from batch.errors import ProviderError
from batch.providers.file.errors import Refusal
from batch.providers.file.names import SUFFIXES
from batch.providers.file.rules import Rule, read_rules_file


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it is now; `name` is its path below the folder, with slashes, and `rule` its rule of `files.toml`."""

    path: Path
    name: str
    modified_ns: int
    size: int
    rule: Rule | None = field(default=None, hash=False)


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
        files = [_describe(root, root.name)] if root.is_file() and _is_data(root.name) else []
    if not files and not refusals:
        state = "holds none" if root.exists() else "does not exist"
        raise ProviderError(f"expected files ending in {', '.join(SUFFIXES)} in {root.name}, which {state}")
    return Listing([replace(file, rule=rules.find(file.name)) for file in files] if rules.rules else files, refusals)


def _walk(folder: Path, below: str, root: Path, refusals: list[Refusal]) -> Iterator[SourceFile]:
    try:
        entries = list(os.scandir(folder))
    except OSError as e:
        refusals.append(Refusal(below or folder.name, f"the folder cannot be read: {e.strerror}"))
        return
    for entry in entries:
        name = f"{below}/{entry.name}" if below else entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), name, root, refusals)
        elif _is_data(entry.name) and _is_file(entry):
            path = Path(entry.path)
            if entry.is_symlink() and not path.resolve().is_relative_to(root):
                refusals.append(Refusal(name, "expected a file of this folder, found a link that leads out of it"))
                continue
            yield _describe(path, name)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False


def _describe(path: Path, name: str) -> SourceFile:
    info = path.stat()
    return SourceFile(path, name, info.st_mtime_ns, info.st_size)


def _is_data(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)
