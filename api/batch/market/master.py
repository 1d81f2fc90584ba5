"""A new list of what is listed, held against the one before: what has changed, and whether that can be."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch.errors import Conflict
from batch.market.listing import Listing, Market
from batch.market.snapshot import Delisted, Snapshot, load_delisted, load_snapshots, save_snapshot

#: Of some 3,800 issues 3 % leave in a year: a list that loses more than this is one of which a part is missing.
#: With 100 any list is taken.
MOST_LOST_PERCENT = 5.0
#: The entries of a kind that a job's result names.
_MOST_TOLD = 200


@dataclass(frozen=True, slots=True)
class Renamed:
    """An issue that has another name, or another market, than before."""

    symbol: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class MasterChanges:
    """What is new in a list, each kind sorted by symbol; `unexplained` are those gone whose delisting is not known."""

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
            kind: {"count": len(rows), "first": [_tell(row) for row in rows[:_MOST_TOLD]]}
            for kind, rows in self.kinds.items()
        }


def _tell(row: Listing | Renamed) -> dict[str, str]:
    if isinstance(row, Renamed):
        return {"symbol": row.symbol, "old": row.old, "new": row.new}
    return {"symbol": row.symbol, "name": row.name, "market": row.market.value}


def choose_previous(snapshot: Snapshot, kept: Iterable[Snapshot]) -> Snapshot | None:
    """Return what a list is held against: the newest kept one that is older, else one of its own date, if any."""
    by_date = sorted((s for s in kept if s.as_of <= snapshot.as_of), key=lambda s: s.as_of)
    older = [s for s in by_date if s.as_of < snapshot.as_of]
    candidates = older or by_date
    return candidates[-1] if candidates else None


def compare_masters(old: Snapshot, new: Snapshot, known: Iterable[Delisted] = ()) -> MasterChanges:
    """Return what has changed from one list to another; `known` are issues of which it is known that they are gone."""
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
    """Refuse a list of which a part seems to be missing.

    Raises:
        Conflict: it lacks a market that the older one has, or more than `most_lost_percent` of its issues, without
            those known to be delisted.

    """
    if most_lost_percent >= 100:
        return
    empty = _markets(old) - _markets(new)
    if empty:
        raise Conflict(
            f"the list of {new.as_of} had no issue of {', '.join(sorted(empty))}, that of {old.as_of} has:"
            " it was not taken"
        )
    lost = 100 * len(changes.unexplained) / max(1, len(old.listings))
    if lost > most_lost_percent:
        some = ", ".join(sorted(changes.unexplained)[:5])
        raise Conflict(
            f"the list of {new.as_of} lacked {len(changes.unexplained)} of {len(old.listings)} issues of {old.as_of}"
            f" ({lost:.1f} %, such as {some}), expected at most {most_lost_percent:g} %: it was not taken"
        )


@dataclass(frozen=True, slots=True)
class MasterReport:
    """What a new list brought. There is no `previous` one without an older one, and no `path` where none was wanted."""

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
    """Keep a list beside the shipped ones, unless a part of it seems to be missing; return what has changed.

    The file appears at once or not at all; a list of the same date replaces it. Runs of its date and later use it.

    Raises:
        Conflict: the list is implausible, and was not taken.
        InvalidRequest: a list that was kept cannot be read.

    """
    previous = choose_previous(snapshot, load_snapshots(into))
    changes = compare_masters(previous or snapshot, snapshot, load_delisted())
    if previous is not None:
        check_plausible(previous, snapshot, changes, most_lost_percent=most_lost_percent)
    return MasterReport(snapshot, previous, changes, None if dry_run else save_snapshot(snapshot, into))


def _markets(snapshot: Snapshot) -> set[Market]:
    return {listing.market for listing in snapshot.listings}
