"""Repairing the history of a page file: rows that cannot be read are moved to the archive, and marked as lost."""

from kaboom.bars.pages.files import PageFile
from kaboom.bars.pages.history.check import find_damaged_history
from kaboom.bars.pages.history.replaced import LOST
from kaboom.bars.pages.repair.archive import DamageArchive
from kaboom.bars.pages.repair.port import RepairedItem
from kaboom.bars.pages.write import transaction


def mark_damaged_history(file: PageFile, archive: DamageArchive | None) -> list[RepairedItem]:
    """Move damaged rows to the archive: their moments cannot be read any more. Without `archive` only report.

    Raises:
        StoreError: the file could not be locked or written.

    """
    damaged = find_damaged_history(file)
    if not damaged:
        return []
    kept = ""
    if archive is not None:
        with transaction(file) as sql:
            rows = [{"page": d.page, "no": d.no, "data": d.data, "fault": d.fault} for d in damaged]
            kept = str(archive.keep_rows(file.path, rows))
            marks = [(LOST, d.page, d.no) for d in damaged]
            sql.executemany("UPDATE replaced SET data = ? WHERE page = ? AND no = ?", marks)
    done = "the row was moved to the archive" if kept else "the row would be moved to the archive"
    done += "; earlier moments of the page cannot be read"
    return [RepairedItem(d.where, d.fault, done, kept) for d in damaged]
