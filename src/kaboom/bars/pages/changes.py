"""What a write does to stored pages: which become others, and which bars are kept as they were; pure.

The page files and the PostgreSQL store execute it, each in a transaction that holds the stored pages.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from types import MappingProxyType

from kaboom.bars.pages.codec import PageColumns, damaged_page, decode_sound, encode_pages, is_keyed, page_keys
from kaboom.bars.pages.frames import PageBatch, take_pages
from kaboom.bars.pages.history.replaced_bars import find_undo
from kaboom.bars.pages.merge import MergedPages, merge_pages
from kaboom.bars.pages.schema import page_headers
from kaboom.bars.store import MOST_CORRECTIONS, Correction, RefusedBars, WriteReport

_NONE: Mapping[int, str] = MappingProxyType({})

#: The values of `schema.HEADER`.
type Head = tuple[int | float, ...]


@dataclass(frozen=True, slots=True)
class PreparedWrite:
    """The pages of a batch, encoded as if none were stored, with their checksums' keys and their headers."""

    batch: PageBatch
    keys: list[int]
    blobs: list[bytes]
    heads: list[Head]


@dataclass(frozen=True, slots=True)
class PageChanges:
    """The changes of stored pages, which are named by their numbers in the batch.

    Attributes:
        report: the whole write, new pages too.
        pages: number, header and blob of each page that becomes another.
        are_alike: whether each of them has the times and the flags that it had.
        replaced: the number of a page, and its replaced bars as a blob.
        grown: by page the first time, in UTC seconds, of the bars that were added at its end.

    """

    report: WriteReport
    pages: Sequence[tuple[int, Head, bytes]] = ()
    are_alike: bool = False
    replaced: Sequence[tuple[int, bytes]] = ()
    grown: Mapping[int, int] = field(default_factory=dict)


def prepare_write(batch: PageBatch) -> PreparedWrite:
    """Encode the pages of a batch, which takes most of the time of a write."""
    keys = page_keys(batch.symbols, batch.buckets)
    return PreparedWrite(batch, keys, encode_pages(batch.columns, keys), _headers(batch.columns, batch))


def plan_changes(
    write: PreparedWrite,
    stored: Mapping[int, bytes],
    *,
    name_of: Callable[[int], str],
    broken: Mapping[int, str] = _NONE,
) -> PageChanges:
    """Return what a write does to the stored blobs of some of its pages; the bars of a damaged one are refused.

    Pages whose history is `broken`, by the damage, are refused, too.
    """
    batch, keys, blobs = write.batch, write.keys, write.blobs
    overlap = {i: blob for i, blob in stored.items() if blob != blobs[i]}
    pages = [i for i in overlap if i not in broken]
    old, errors = decode_sound(
        [overlap[i] for i in pages], [keys[i] for i in pages], name_of=lambda n: name_of(pages[n])
    )
    damaged = {pages[n]: e.message for n, e in errors.items()}
    damaged |= {i: damaged_page(f"{name_of(i)} (history)", why).message for i, why in broken.items() if i in overlap}
    refused = refuse_pages(batch, damaged)
    written = len(batch.columns.seconds) - sum(each.bars for each in refused)
    report = WriteReport(written, refused=refused)
    pages = [i for i in pages if i not in damaged]
    if not pages:
        return PageChanges(report)
    merged = merge_pages(old, take_pages(batch.columns, pages))
    report = _report_merged(report, merged, [batch.symbols[i] for i in pages])
    own = [keys[i] for i in pages]
    undo = find_undo(old, merged)
    kept: Iterable[bytes] = [overlap[i] for i in pages]
    if not undo.is_everything:
        kept = encode_pages(undo.columns, [own[n] for n in undo.pages], may_be_plain=True)
    replaced = [(pages[n], blob) for n, blob in zip(undo.pages, kept, strict=True)]
    grown = {pages[n]: first_s for n, first_s in undo.grown.items()}
    if merged.are_alike and all(is_keyed(overlap[i]) for i in pages):
        return PageChanges(
            report, [(i, write.heads[i], blobs[i]) for i in pages], are_alike=True, replaced=replaced, grown=grown
        )
    anew = zip(pages, _headers(merged.columns, batch, pages), encode_pages(merged.columns, own), strict=True)
    changed = [(i, head, blob) for i, head, blob in anew if blob != stored[i]]
    return PageChanges(report, changed, replaced=replaced, grown=grown)


def refuse_pages(batch: PageBatch, reasons: Mapping[int, str]) -> tuple[RefusedBars, ...]:
    """Return the bars of some pages of a batch, by their numbers, as refused."""
    starts = batch.columns.offsets.tolist()
    return tuple(RefusedBars(batch.symbols[i], starts[i + 1] - starts[i], why) for i, why in reasons.items())


def sum_reports(reports: Sequence[WriteReport]) -> WriteReport:
    """Return the report of all parts of a write."""
    by_symbol: dict[str, RefusedBars] = {}
    for each in (refused for report in reports for refused in report.refused):
        first = by_symbol.get(each.symbol, replace(each, bars=0))
        by_symbol[each.symbol] = replace(first, bars=first.bars + each.bars)
    return WriteReport(
        written=sum(report.written for report in reports),
        changed=sum(report.changed for report in reports),
        refused=tuple(by_symbol.values()),
        corrected=sum(report.corrected for report in reports),
        corrections=tuple(islice((c for report in reports for c in report.corrections), MOST_CORRECTIONS)),
    )


def _headers(columns: PageColumns, batch: PageBatch, pages: Iterable[int] | None = None) -> list[Head]:
    some = range(len(batch.symbols)) if pages is None else list(pages)
    return page_headers(columns, [batch.symbols[i] for i in some], [batch.buckets[i] for i in some])


def _report_merged(report: WriteReport, merged: MergedPages, symbols: list[str]) -> WriteReport:
    corrections = tuple(
        Correction(symbols[page], datetime.fromtimestamp(at, UTC), old, new)
        for page, at, old, new in merged.first_corrected(MOST_CORRECTIONS)
    )
    return replace(report, changed=merged.changed, corrected=len(merged.corrected_at), corrections=corrections)
