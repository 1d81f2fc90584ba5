"""Comparing a new list of issues with the previous one: the changes, and whether they are plausible."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaboom.errors import Conflict
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.snapshot import Delisted, Snapshot, load_delisted, load_snapshots, save_snapshot

#: About 3 % of 3,800 issues leave in a year, so a list that loses more is incomplete. 100 accepts any list.
MOST_LOST_PERCENT = 5.0
#: The most entries of a kind in a job's result.
_MOST_ENTRIES = 200


@dataclass(frozen=True, slots=True)
class Renamed:
    """An issue whose name or market has changed."""

    symbol: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class MasterChanges:
    """The changes in a list, each kind sorted by symbol; `unexplained` are missing issues without a known delisting."""

    listed: tuple[Listing, ...]
    delisted: tuple[Listing, ...]
    renamed: tuple[Renamed, ...]
    moved: tuple[Renamed, ...]
    unexplained: frozenset[str]

    @property
    def kinds(self) -> dict[str, tuple[Listing, ...] | tuple[Renamed, ...]]:
        """The four kinds of changes by name."""
        return {"listed": self.listed, "delisted": self.delisted, "renamed": self.renamed, "moved": self.moved}

    def to_json(self) -> dict[str, Any]:
        """Return the changes as JSON types: a count of each kind, and the first 200."""
        return {
            kind: {"count": len(rows), "first": [_describe(row) for row in rows[:_MOST_ENTRIES]]}
            for kind, rows in self.kinds.items()
        }


def _describe(row: Listing | Renamed) -> dict[str, str]:
    if isinstance(row, Renamed):
        return {"symbol": row.symbol, "old": row.old, "new": row.new}
    return {"symbol": row.symbol, "name": row.name, "market": row.market.value}


def choose_previous(snapshot: Snapshot, kept: Iterable[Snapshot]) -> Snapshot | None:
    """Return the list to compare with: the newest older one, else one of the same date, if any."""
    by_date = sorted((s for s in kept if s.as_of <= snapshot.as_of), key=lambda s: s.as_of)
    older = [s for s in by_date if s.as_of < snapshot.as_of]
    candidates = older or by_date
    return candidates[-1] if candidates else None


def compare_masters(old: Snapshot, new: Snapshot, known: Iterable[Delisted] = ()) -> MasterChanges:
    """Return the changes from one list to another; `known` are known delistings."""
    before, after = ({s.symbol: s for s in snapshot.listings} for snapshot in (old, new))
    gone = before.keys() - after.keys()
    explained = {symbol for lists in known if old.as_of < lists.as_of for symbol in lists.symbols}
    both = sorted(before.keys() & after.keys())
    pairs = [(before[symbol], after[symbol]) for symbol in both]
    return MasterChanges(
        listed=tuple(after[symbol] for symbol in sorted(after.keys() - before.keys())),
        delisted=tuple(before[symbol] for symbol in sorted(gone)),
        renamed=tuple(Renamed(a.symbol, a.name, b.name) for a, b in pairs if a.name != b.name),
        moved=tuple(Renamed(a.symbol, a.market.value, b.market.value) for a, b in pairs if a.market is not b.market),
        unexplained=frozenset(gone - explained),
    )


def check_plausible(old: Snapshot, new: Snapshot, changes: MasterChanges, *, most_lost_percent: float) -> None:
    """Reject a list that seems to be incomplete.

    Raises:
        Conflict: the new list lacks a market of the older list, or more than `most_lost_percent` of its issues without
            a known delisting.

    """
    if most_lost_percent >= 100:
        return
    empty = _markets(old) - _markets(new)
    if empty:
        raise Conflict(
            f"the list of {new.as_of} had no issue of {', '.join(sorted(empty))}, expected some, as in the list of"
            f" {old.as_of}: it was not imported"
        )
    lost = 100 * len(changes.unexplained) / max(1, len(old.listings))
    if lost > most_lost_percent:
        some = ", ".join(sorted(changes.unexplained)[:5])
        raise Conflict(
            f"the list of {new.as_of} lacked {len(changes.unexplained)} of {len(old.listings)} issues of {old.as_of}"
            f" ({lost:.1f} %, such as {some}), expected at most {most_lost_percent:g} %: it was not imported"
        )


@dataclass(frozen=True, slots=True)
class MasterReport:
    """The result of importing a list: `previous` is None without an older list, `path` is None in a dry run."""

    snapshot: Snapshot
    previous: Snapshot | None
    changes: MasterChanges
    path: Path | None

    @property
    def counts(self) -> dict[str, int]:
        """Issues by market."""
        found = Counter(listing.market for listing in self.snapshot.listings)
        return {market.value: found[market] for market in Market if found[market]}

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON types."""
        return {
            "as_of": self.snapshot.as_of.isoformat(),
            "source": self.snapshot.source,
            "markets": self.counts,
            "previous": self.previous.as_of.isoformat() if self.previous else None,
            "changes": self.changes.to_json(),
            "path": str(self.path) if self.path else None,
        }


def take_master(
    snapshot: Snapshot, into: Path, *, most_lost_percent: float = MOST_LOST_PERCENT, dry_run: bool = False
) -> MasterReport:
    """Save a list beside the shipped ones, unless it seems to be incomplete; return the changes.

    The file is written in one step; a list of the same date replaces it. Runs for its date and later use it.

    Raises:
        Conflict: the list seems to be incomplete, and was not saved.
        InvalidRequest: a saved list cannot be read.

    """
    previous = choose_previous(snapshot, load_snapshots(into))
    changes = compare_masters(previous or snapshot, snapshot, load_delisted())
    if previous is not None:
        check_plausible(previous, snapshot, changes, most_lost_percent=most_lost_percent)
    return MasterReport(snapshot, previous, changes, None if dry_run else save_snapshot(snapshot, into))


def _markets(snapshot: Snapshot) -> set[Market]:
    return {listing.market for listing in snapshot.listings}
