"""The portfolios of one API process: book entries, and compute positions, values and histories."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from fastapi import Request

from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.lazy import Lazy
from kaboom.errors import InvalidRequest
from kaboom.market.action import Split
from kaboom.market.calendar import JST, latest_closed_session, sessions_between
from kaboom.market.indices import TOPIX_AND_FUNDS
from kaboom.portfolio.book import Book, check_new, deposit_what_lacks, replay
from kaboom.portfolio.broker_file import leave_out_booked
from kaboom.portfolio.dividends import DueDividend, due_dividends
from kaboom.portfolio.entry import Entry, EntryKind, in_force, make_movement, make_reversal, number_entries
from kaboom.portfolio.history import Closes, EquityDay, equity_history
from kaboom.portfolio.model import PLAIN, Booked, BookingTerms, Draft, Once, Portfolio, PortfolioStore
from kaboom.portfolio.money import format_yen
from kaboom.portfolio.performance import Benchmark, Performance, measure
from kaboom.portfolio.plausibility import Doubtful, find_doubts
from kaboom.portfolio.valuation import Valuation, adjust_closes, value_book
from kaboom.providers.registry import get_provider_spec
from kaboom.web.services import services_of

if TYPE_CHECKING:
    from kaboom.domain_settings import BatchSettings
    from kaboom.portfolio.market import Market

#: How long before its last day a history begins by default, and the longest history.
_HISTORY, _MOST_HISTORY = timedelta(days=366), timedelta(days=3660)


class ManyDoubtful(InvalidRequest):
    """Doubtful trades; its message is that of the first.

    Attributes:
        doubts: all of them, in the order of the entries.

    """

    def __init__(self, doubts: Sequence[Doubtful]) -> None:
        super().__init__(doubts[0].message, pointer=doubts[0].pointer)
        self.doubts = doubts


def new_id() -> str:
    """Return an id of 32 hex digits."""
    return uuid4().hex


@dataclass(frozen=True, slots=True)
class PortfolioService:
    """Books entries, and computes the positions and the value of a portfolio.

    All methods raise NotFound if the owner has no such portfolio, and StoreError if a store is unavailable.
    """

    store: PortfolioStore
    market: "Lazy[Market]"
    clock: Clock = utc_now

    def today(self) -> date:
        """Return today's date in Japan."""
        return self.clock().astimezone(JST).date()

    async def book(
        self,
        portfolio: Portfolio,
        new: Sequence[Entry],
        *,
        by: str,
        once: Once | None = None,
        terms: BookingTerms = PLAIN,
    ) -> Booked:
        """Book entries, all or none, on behalf of the subject `by`.

        Raises:
            Conflict: cash or a position would be negative on some day, or there are too many entries.
            InvalidRequest: a trade is not in whole lots, or the key was used for another request.
            ManyDoubtful: the calendar or the bars speak against trades.

        """
        splits = await self._splits(portfolio, new)
        doubts = [] if terms.is_forced else await self._doubts(portfolio, new)

        def checked(portfolio: Portfolio, kept: Sequence[Entry]) -> Sequence[Entry]:
            # In the draft, so that a request that was booked before is answered as before.
            wanted = list(leave_out_booked(new, kept) if terms.is_history else new)
            if terms.with_deposits:
                wanted = deposit_what_lacks(wanted, kept, new_id)
            signed = [replace(entry, created_by=by) for entry in wanted]
            drafted = _draft(signed, splits, lot=1 if terms.is_history else portfolio.lot)(portfolio, kept)
            ids = {entry.entry_id for entry in wanted}
            if found := [doubt for doubt in doubts if doubt.entry_id in ids]:
                raise ManyDoubtful(found)
            return drafted

        return await self.store.book(portfolio.owner, portfolio.portfolio_id, checked, once=once)

    async def reverse(
        self, portfolio: Portfolio, entry_id: str, *, note: str, by: str, once: Once | None = None
    ) -> Booked:
        """Reverse an entry with a new entry.

        Raises:
            NotFound: the portfolio has no such entry.
            Conflict: the entry is a reversal or already reversed, or cash or a position would be negative without it.
            InvalidRequest: the key was used for another request.

        """
        kept = await self.store.load_entries(portfolio.owner, portfolio.portfolio_id)
        splits = await self._splits(portfolio, (entry for entry in kept if entry.entry_id == entry_id))

        def draft(portfolio: Portfolio, kept: Sequence[Entry]) -> Sequence[Entry]:
            new = replace(make_reversal(new_id(), entry_id, kept, note=note), created_by=by)
            return _draft([new], splits, lot=portfolio.lot)(portfolio, kept)

        return await self.store.book(portfolio.owner, portfolio.portfolio_id, draft, once=once)

    async def book_dividends(self, portfolio: Portfolio, *, by: str) -> Booked:
        """Book the dividends that are due by the corporate actions and were not booked before.

        Raises:
            Conflict: there are too many entries, or as for `stand`.

        """
        kept = await self.store.load_entries(portfolio.owner, portfolio.portfolio_id)
        symbols = {entry.symbol for entry in kept if entry.kind.is_trade}
        splits = await self._splits(portfolio, kept)
        paid = await (await self.market.get()).dividends(portfolio.provider, symbols) if symbols else ()

        def draft(_portfolio: Portfolio, kept: Sequence[Entry]) -> Sequence[Entry]:
            replay(kept, splits)
            return [replace(_to_entry(due), created_by=by) for due in due_dividends(kept, splits, paid)]

        return await self.store.book(portfolio.owner, portfolio.portfolio_id, draft)

    async def stand(self, portfolio: Portfolio) -> tuple[Book, tuple[Split, ...]]:
        """Return the book of a portfolio of today, and the splits of its symbols.

        Raises:
            Conflict: a corporate action has changed since an entry was booked, and a position would be negative.

        """
        entries = await self.store.load_entries(portfolio.owner, portfolio.portfolio_id)
        splits = await self._splits(portfolio, entries)
        return await asyncio.to_thread(replay, entries, splits), splits

    async def value(self, portfolio: Portfolio) -> Valuation:
        """Return the valuation of a portfolio at the latest closes.

        Raises:
            Conflict: as for `stand`.

        """
        book, splits = await self.stand(portfolio)
        held = [symbol for symbol in book.positions if book.held(symbol)]
        if not held:
            return value_book(book, {}, splits, today=self.today())
        market = await self.market.get()
        prices = await market.latest(portfolio.provider, held)
        newest = max((price.session for price in prices.values()), default=self.today())
        closes = await market.closes(portfolio.provider, list(prices), first=newest, last=newest) if prices else {}
        return value_book(book, prices, splits, today=self.today(), closes=closes)

    async def history(self, portfolio: Portfolio, *, first: date | None, last: date | None) -> list[EquityDay]:
        """Return the value of a portfolio at the close of each session that has ended, from its first entry on.

        Without closes in the year before the newest session, as of files that end earlier, it is the year before the
        newest close.

        Raises:
            InvalidRequest: the history is longer than ten years.
            Conflict: as for `stand`.

        """
        entries = await self.store.load_entries(portfolio.owner, portfolio.portfolio_id)
        closed = latest_closed_session(self.clock())
        end = min(last or closed, closed)
        start = max(first or end - _HISTORY, min((entry.day for entry in entries), default=end))
        if end - start > _MOST_HISTORY:
            raise InvalidRequest(
                f"first was {start}, expected at most {_MOST_HISTORY.days} days before {end}", pointer="/first"
            )
        symbols = {entry.symbol for entry in entries if entry.kind.is_trade}
        if not entries or start > end:
            return []
        splits = await self._splits(portfolio, entries)
        closes: Closes = {}
        if symbols:
            market = await self.market.get()
            closes = await market.closes(portfolio.provider, symbols, first=start, last=end)
            if first is None and last is None and not any(closes.values()):
                prices = (await market.latest(portfolio.provider, symbols)).values()
                if prices:
                    return await self.history(portfolio, first=None, last=max(price.session for price in prices))
        days = sessions_between(start, end)
        return await asyncio.to_thread(lambda: list(equity_history(entries, splits, closes, days)))

    async def performance(self, portfolio: Portfolio, *, first: date | None, last: date | None) -> Performance:
        """Return the performance of a portfolio, and against what stands for TOPIX, if it has bars.

        By default it is that from the first entry to the newest close, of at most ten years.

        Raises:
            InvalidRequest: the history is longer than ten years.
            Conflict: as for `stand`.

        """
        entries = await self.store.load_entries(portfolio.owner, portfolio.portfolio_id)
        symbols = {entry.symbol for entry in entries if entry.kind.is_trade}
        if last is None and symbols:
            prices = (await (await self.market.get()).latest(portfolio.provider, symbols)).values()
            last = max((price.session for price in prices), default=None)
        closed = latest_closed_session(self.clock())
        first = first or min(last or closed, closed) - _MOST_HISTORY
        days = await self.history(portfolio, first=first, last=last)
        if not days:
            return Performance()
        # A deposit on a holiday counts on the session after it.
        begins = min((entry.day for entry in in_force(entries)), default=days[0].day)
        is_whole = not sessions_between(begins, days[0].day)[:-1]
        benchmark = await self._find_benchmark(portfolio, days)
        return await asyncio.to_thread(measure, days, is_whole=is_whole, benchmark=benchmark)

    async def _find_benchmark(self, portfolio: Portfolio, days: Sequence[EquityDay]) -> Benchmark | None:
        """Return the closes of TOPIX, or else of a fund of it; None of a provider of files, which have any market."""
        if not get_provider_spec(portfolio.provider).is_tse:
            return None
        market = await self.market.get()
        for symbol in TOPIX_AND_FUNDS:
            found = await market.closes(portfolio.provider, [symbol], first=days[0].day, last=days[-1].day)
            if len(found[symbol]) > 1:
                splits = await market.splits(portfolio.provider, [symbol])
                return Benchmark(symbol, adjust_closes(found[symbol], splits))
        return None

    async def _doubts(self, portfolio: Portfolio, new: Iterable[Entry]) -> list[Doubtful]:
        trades = [entry for entry in new if entry.kind.is_trade]
        if not trades:
            return []
        days = {(entry.symbol, entry.day) for entry in trades}
        ranges = await (await self.market.get()).ranges(portfolio.provider, days)
        return list(find_doubts(trades, ranges))

    async def _splits(self, portfolio: Portfolio, entries: Iterable[Entry]) -> tuple[Split, ...]:
        symbols = {entry.symbol for entry in entries if entry.symbol}
        return await (await self.market.get()).splits(portfolio.provider, symbols) if symbols else ()


def build_portfolio_service(store: PortfolioStore, settings: "BatchSettings") -> PortfolioService:
    """Return the service of a process; it opens the bars and corporate actions on first use."""

    def build() -> "Market":
        from kaboom.bars.open import build_action_store, build_bar_store  # noqa: PLC0415  the same
        from kaboom.portfolio.market import Market  # noqa: PLC0415  0.3 s and 60 MB of polars and numpy

        return Market(build_bar_store(settings), build_action_store(settings), utc_now)

    return PortfolioService(store, Lazy(build))


async def service_of(request: Request) -> PortfolioService:
    """Return the portfolio service of the process."""
    return services_of(request.app).find(PortfolioService)


def _to_entry(due: DueDividend) -> Entry:
    one, note = due.dividend, f"{due.shares} shares at {format_yen(due.dividend.amount)}"
    return make_movement(new_id(), one.ex_session, EntryKind.DIVIDEND, due.paid, symbol=one.symbol, note=note)


def _draft(new: Sequence[Entry], splits: Sequence[Split], *, lot: int) -> Draft:
    def draft(portfolio: Portfolio, kept: Sequence[Entry]) -> Sequence[Entry]:
        check_new(kept, number_entries(new, after=portfolio.entries), splits, lot=lot)
        return new

    return draft
