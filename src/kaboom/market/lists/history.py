"""When symbols were listed, from dated lists: a symbol in one list but not in the next left in between."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path

from kaboom.market.calendar import JST
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.snapshot import (
    Delisted,
    Snapshot,
    list_imported,
    list_replaced,
    load_delisted,
    load_snapshots,
    state_of,
)
from kaboom.market.symbol import find_nearest

#: The date of a list, and its entry of a symbol, if any.
type _Seen = tuple[date, Listing | None]


@dataclass(frozen=True, slots=True)
class Validity:
    """A symbol in one market, over successive lists.

    Attributes:
        symbol, name, market: from the last of these lists.
        came_after: date of the previous list, which lacks it; None if there is no older list.
        first_seen, last_seen: dates of the first and the last list with it.
        left_by: date of the next list, which lacks it; None if there is no newer list.
        moved_to: its market in the next list.
        renamed_to, renamed_from: the code of the company of the same name in the next list, or before.

    """

    symbol: str
    name: str
    market: Market
    came_after: date | None
    first_seen: date
    last_seen: date
    left_by: date | None
    moved_to: Market | None = None
    renamed_to: str | None = None
    renamed_from: str | None = None


class ListingHistory:
    """The history of listings from dated lists; of two lists with one date, the last one counts."""

    def __init__(self, snapshots: tuple[Snapshot, ...], delisted: tuple[Delisted, ...] = ()) -> None:
        by_date = {snapshot.as_of: snapshot for snapshot in snapshots}
        self._lists = [{s.symbol: s for s in by_date[day].listings} for day in sorted(by_date)]
        self._dates = sorted(by_date)
        self._gone = delisted
        self._known: dict[str, tuple[Validity, ...]] = {}

    @property
    def newest(self) -> date:
        """The date of the newest list."""
        return self._dates[-1]

    def validities(self, symbol: str) -> tuple[Validity, ...]:
        """Return the spans in which a symbol was listed, oldest first; empty if no list has it."""
        if symbol not in self._known:
            self._known[symbol] = self._find(symbol)
        return self._known[symbol]

    def is_absent(self, symbol: str, session: date) -> bool:
        """Return whether a symbol of some list was certainly not listed on a session.

        Between a list without it and a list with it this is unknown, so the result is False.
        """
        spans = self.validities(symbol)
        if not spans:
            return False
        number = bisect_right(spans, session, key=lambda span: span.first_seen)
        left_by = spans[number - 1].left_by if number else date.min
        if left_by is None or session < left_by:
            return False
        came_after = spans[number].came_after if number < len(spans) else None
        return number == len(spans) or (came_after is not None and session <= came_after)

    def was_listed(self, symbol: str, sessions: Sequence[date]) -> bool:
        """Return whether a symbol was in the newest list up to one of the sessions (oldest first), and had not left.

        The oldest list counts for the sessions before it, too.
        """
        for span in self.validities(symbol):
            number = bisect_left(sessions, span.first_seen) if span.came_after else 0
            if number < len(sessions) and sessions[number] < (span.left_by or date.max):
                return True
        return False

    def find_nearest(self, symbol: str, session: date) -> list[str]:
        """Return the codes that were listed on a session and look most like a code, the likest first."""
        codes = {code for listed in self._lists for code in listed}
        return find_nearest(symbol, [code for code in codes if self.was_listed(code, (session,))])

    def describe_unknown(self, symbols: Sequence[str], session: date | None) -> str:
        """Return which of some symbols no list has, and those like it on a session, by default of the newest list.

        It is empty if every symbol is in a list; an ingest of one that no list has would be refused.
        """
        unknown = next((symbol for symbol in symbols if not self.validities(symbol)), None)
        if unknown is None:
            return ""
        near = ", ".join(self.find_nearest(unknown, session or self.newest)) or "none"
        return f"no symbol list has {unknown}; nearest to it: {near}"

    def explain(self, symbol: str, session: date) -> str:
        """Return why a symbol was not listed on a session, as a sentence."""
        left = [span for span in self.validities(symbol) if span.first_seen <= session]
        if not left:
            first = self.validities(symbol)[0]
            return f"listed after {first.came_after}, by {first.first_seen}"
        renamed = f", renamed to {left[-1].renamed_to}" if left[-1].renamed_to else ""
        return f"left after {left[-1].last_seen}, by {left[-1].left_by}{renamed}"

    def _find(self, symbol: str) -> tuple[Validity, ...]:
        seen: list[_Seen] = [
            *zip(self._dates, (listed.get(symbol) for listed in self._lists), strict=True),
            *(
                (known.as_of, None)
                for known in self._gone
                if symbol in known.symbols and known.as_of not in self._dates
            ),
        ]
        seen.sort(key=lambda word: word[0])
        runs = [list(run) for _, run in groupby(seen, key=lambda word: word[1] and word[1].market)]
        around = zip([None, *runs], runs, [*runs[1:], None], strict=False)
        return tuple(self._span(newest, three) for three in around if (newest := three[1][-1][1]))

    def _span(self, listing: Listing, around: tuple[list[_Seen] | None, list[_Seen], list[_Seen] | None]) -> Validity:
        before, run, after = around
        last_seen = run[-1][0]
        left_by, follows = after[0] if after else (None, None)
        return Validity(
            symbol=listing.symbol,
            name=listing.name,
            market=listing.market,
            came_after=before[-1][0] if before else None,
            first_seen=run[0][0],
            last_seen=last_seen,
            left_by=left_by,
            moved_to=follows.market if follows else None,
            renamed_to=self._renames.get((listing.symbol, last_seen)),
            renamed_from=next((old for (old, _), new in self._renames.items() if new == listing.symbol), None),
        )

    @cached_property
    def _renames(self) -> dict[tuple[str, date], str]:
        """The code of the same name in the next list, by a code and the date of the last list with it."""
        found: dict[tuple[str, date], str] = {}
        for day, old, new in zip(self._dates, self._lists, self._lists[1:], strict=False):
            came: dict[str, list[str]] = {}
            for symbol in new.keys() - old.keys():
                came.setdefault(new[symbol].name, []).append(symbol)
            heirs = {symbol: came.get(old[symbol].name, []) for symbol in old.keys() - new.keys()}
            found |= {(symbol, day): names[0] for symbol, names in heirs.items() if len(names) == 1}
        return found


def load_history(imported_dir: Path | None = None, *, known_at: datetime | None = None) -> ListingHistory:
    """Return the history from the shipped lists and those of a directory; cached while no file changes.

    With `known_at` only the lists count that were known at that moment.

    Raises:
        InvalidRequest: an imported list cannot be read.

    """
    paths = [*list_imported(imported_dir), *(list_replaced(imported_dir, known_at) if known_at else ())]
    return _build(imported_dir, tuple((path.name, *state_of(path)) for path in paths), known_at)


@lru_cache(maxsize=4)
def _build(
    imported_dir: Path | None, _files: tuple[tuple[str, int, int], ...], known_at: datetime | None
) -> ListingHistory:
    gone = load_delisted()
    if known_at:
        gone = tuple(known for known in gone if known.as_of <= known_at.astimezone(JST).date())
    return ListingHistory(tuple(load_snapshots(imported_dir, known_at=known_at)), gone)
