"""Pages of entries, newest first."""

from collections.abc import Sequence

from app.portfolios.schemas import EntryListing
from app.portfolios.views import EntryView, find_reversals, view_entry
from batch.portfolio.entry import Entry


def list_entries(entries: Sequence[Entry], query: EntryListing, *, trades: bool) -> tuple[list[EntryView], str | None]:
    """Return a page of a portfolio's trades or of its other entries, and the cursor of the next one.

    `entries` are all entries, in booking order. A reversal is listed on the same side as the entry that it reverses.
    """
    wanted = [entry for entry in reversed(entries) if bool(entry.quantity) == trades]
    after = [entry for entry in wanted if query.cursor is None or entry.place < query.cursor]
    page = after[: query.limit]
    cursor = str(page[-1].place) if len(after) > query.limit else None
    reversed_by = find_reversals(entries)
    return [view_entry(entry, reversed_by) for entry in page], cursor
