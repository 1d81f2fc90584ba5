"""Files as sheets of bars, parsed once for each state of a file, many at once."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import groupby
from threading import Lock

from kaboom.providers.file.errors import FileRefused, Refusal
from kaboom.providers.file.folder import FileLimits, SourceFile
from kaboom.providers.file.names import NameRules
from kaboom.providers.file.packed import XLSX
from kaboom.providers.file.reader import OpenedFile, Uneven, find_owner, open_file, read_tables
from kaboom.providers.file.recognise.numbers import NumberRules
from kaboom.providers.file.sheet import Facts, Sheet, build_sheet
from kaboom.providers.file.times import TimeRules

# Parsed rows of this many bytes are kept; the facts of a file are small, and are kept forever.
_KEPT_BYTES = 128 * 1024 * 1024
#: Files of one layout are parsed together up to this size.
_TOGETHER_BYTES = 24 * 1024 * 1024


class TableCache:
    """Reads files and caches them by path, modification time and size."""

    def __init__(self, times: TimeRules, numbers: NumberRules, names: NameRules, limits: FileLimits) -> None:
        self._times = times
        self._numbers = numbers
        self._names = names
        self._limits = limits
        # Parsing happens in threads; the lock keeps two of them from parsing the same file.
        self._lock = Lock()
        self._opened: dict[SourceFile, OpenedFile | Refusal] = {}
        self._facts: dict[SourceFile, Facts] = {}
        self._sheets: OrderedDict[SourceFile, Sheet] = OrderedDict()

    def open(self, file: SourceFile) -> OpenedFile | Refusal:
        """Return a file with its layout, from its first lines, or why it is refused."""
        if file not in self._opened:
            try:
                self._opened[file] = open_file(file, self._limits, self._names)
            except FileRefused as e:
                self._opened[file] = e.of(file.name, find_owner(file, self._names))
        return self._opened[file]

    def facts(self, files: Sequence[SourceFile]) -> list[Facts]:
        """Return the facts of some files, with their refusals."""
        with self._lock:
            unknown = [file for file in files if file not in self._facts]
            for _ in self._parse(unknown):
                pass
            return [self._facts[file] for file in files]

    def sheets(self, files: Sequence[SourceFile]) -> Iterator[tuple[Sheet, list[int]]]:
        """Yield the bars of some files: sheets, each with the numbers of those files in it."""
        with self._lock:
            missing = [file for file in files if file not in self._sheets]
            found: list[Sheet] = list(self._parse(missing))
            found += [self._sheets[file] for file in files if file in self._sheets]
        wanted = set(files)
        for sheet in {id(sheet): sheet for sheet in found}.values():
            yield sheet, [n for n, opened in enumerate(sheet.opened) if opened.file in wanted]

    def _parse(self, files: Sequence[SourceFile]) -> Iterator[Sheet]:
        usable = []
        for file in files:
            opened = self.open(file)
            if isinstance(opened, OpenedFile):
                usable.append(opened)
            else:
                self._facts[file] = Facts(refusals=(opened,))
        for group in _group(usable):
            for sheet in self._read(group):
                self._keep(sheet)
                yield sheet

    def _read(self, group: Sequence[OpenedFile]) -> Iterator[Sheet]:
        try:
            rule = group[0].file.rule
            cells = read_tables(group, self._limits)
            yield build_sheet(group, cells, self._times.under(rule), self._numbers.under(rule))
        except Uneven:
            for each in group:
                yield from self._read([each])
        except FileRefused as e:
            self._facts[group[0].file] = Facts(refusals=(e.of(group[0].file.name, group[0].owner),))

    def _keep(self, sheet: Sheet) -> None:
        for opened, facts in zip(sheet.opened, sheet.facts, strict=True):
            self._facts[opened.file] = facts
            self._sheets[opened.file] = sheet
            self._sheets.move_to_end(opened.file)
        kept = {id(each): each for each in self._sheets.values()}
        while len(kept) > 1 and sum(each.rows.estimated_size() for each in kept.values()) > _KEPT_BYTES:
            oldest = next(iter(self._sheets.values()))
            for opened in oldest.opened:
                self._sheets.pop(opened.file, None)
            del kept[id(oldest)]


def _group(opened: Sequence[OpenedFile]) -> Iterator[list[OpenedFile]]:
    """Yield groups of files of one layout and encoding, up to the size that is parsed at once; others alone."""
    for _, same in groupby(sorted(opened, key=_kind), key=_kind):
        group: list[OpenedFile] = []
        for each in same:
            if group and (
                not _joins(each) or sum(other.file.size for other in group) + each.file.size > _TOGETHER_BYTES
            ):
                yield group
                group = []
            group.append(each)
        yield group


def _kind(opened: OpenedFile) -> str:
    return repr((opened.layout, opened.encoding, opened.file.suffix, opened.file.rule))


def _joins(opened: OpenedFile) -> bool:
    return len(opened.layout.blocks) == 1 and not opened.panels and opened.file.suffix not in {".parquet", ".gz", XLSX}
