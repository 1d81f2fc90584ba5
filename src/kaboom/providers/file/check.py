"""A description of the files and of the bars that Kaboom reads from them, for people and programs."""

from collections import defaultdict
from datetime import date
from typing import Any

from kaboom.market.interval import Interval
from kaboom.providers.file.errors import Refusal
from kaboom.providers.file.folder import SourceFile
from kaboom.providers.file.provider import FileProvider
from kaboom.providers.file.reader import OpenedFile
from kaboom.providers.file.recognise.layout import Layout, Role, normalise
from kaboom.providers.file.sheet import Facts


def describe_files(provider: FileProvider) -> list[dict[str, Any]]:
    """Return every file in JSON types: its layout, its bars, notes, and the parts that are refused.

    Raises:
        ProviderError: there are no files.

    """
    found = provider.describe()
    notes = _find_repeats(found)
    described = [_describe(file, opened, facts) for file, opened, facts in found]
    for each in described:
        each["notes"] += notes[each["file"]]
    return described


def _describe(file: SourceFile, opened: OpenedFile | Refusal, facts: Facts) -> dict[str, Any]:
    layout = opened.layout if isinstance(opened, OpenedFile) else None
    starts, ends = [first for first, _ in facts.spans.values()], [last for _, last in facts.spans.values()]
    return {
        "file": file.name,
        "symbols": sorted(facts.spans),
        "interval": facts.interval.value if facts.interval else None,
        "rows": facts.rows,
        "sessions": facts.sessions,
        "first": min(starts).isoformat() if starts else None,
        "last": max(ends).isoformat() if ends else None,
        "encoding": opened.encoding if isinstance(opened, OpenedFile) else "",
        "separator": layout.separator if layout else "",
        "time_zone": facts.time_zone,
        "rule": file.rule.model_dump(exclude_none=True) if file.rule else None,
        "columns": _columns(layout) if layout else {},
        "unused": list(layout.unused) if layout else [],
        "unknown": list(layout.unknown) if layout else [],
        "notes": [*_notes(layout), *facts.notes] if layout and facts.rows else [],
        "refusals": [refusal.to_json() for refusal in facts.refusals],
    }


def _columns(layout: Layout) -> dict[str, str]:
    return {role.value: layout.name_of(role) or "index" for role in layout.columns}


def _notes(layout: Layout) -> list[str]:
    notes = []
    if Role.VOLUME not in layout.columns:
        notes.append("no column of volume: bars are stored with volume 0")
    if any(normalise(name).startswith("adjclose") for name in layout.unused):
        notes.append("adjusted prices are not stored: Kaboom stores prices as traded, and adjusts them by splits")
    return notes


def _find_repeats(found: list[tuple[SourceFile, OpenedFile | Refusal, Facts]]) -> dict[str, list[str]]:
    """Return a note for each file with days of a symbol that an earlier file has, too; the last file counts."""
    notes: dict[str, list[str]] = defaultdict(list)
    seen: dict[tuple[str, Interval | None], list[tuple[str, date, date]]] = defaultdict(list)
    for file, _, facts in found:
        for symbol, (first, last) in facts.spans.items():
            for other, begin, end in seen[symbol, facts.interval]:
                if first <= end and begin <= last:
                    notes[file.name].append(
                        f"{symbol} has days that {other} has too: of two bars, that of the later file counts"
                    )
                    break
            seen[symbol, facts.interval].append((file.name, first, last))
    return notes
