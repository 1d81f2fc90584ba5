"""The job handler that books the sessions of a paper portfolio up to one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from kaboom.backtest.next_orders import find_next_session, list_next_orders
from kaboom.backtest.result import Result
from kaboom.backtest.run_job import load_study_bars, open_requested, pin_request
from kaboom.backtest.study.single import day_of
from kaboom.backtest.summary import NextOrder
from kaboom.bars.open import build_action_store, build_bar_store
from kaboom.drivers.clock import utc_now
from kaboom.drivers.stop import Stopped
from kaboom.errors import Conflict, InvalidRequest
from kaboom.jobs.engine.run.worker import Run
from kaboom.market.calendar import resolve_last_session
from kaboom.market.interval import Interval
from kaboom.paper.account import Account, fill_bar
from kaboom.paper.follow import Followed, follow
from kaboom.paper.model import PaperBook, PaperSession, PaperStore
from kaboom.paper.orders import Waiting
from kaboom.paper.request import PaperRequest
from kaboom.paper.results import PaperResult
from kaboom.paper.store import open_paper_books
from kaboom.portfolio.book import check_new
from kaboom.portfolio.entry import Entry, number_entries
from kaboom.portfolio.market import Market
from kaboom.portfolio.model import Portfolio, PortfolioStore
from kaboom.portfolio.store import open_portfolios
from kaboom.providers.registry import get_provider_spec, ingest_command

#: Who booked an entry of a paper portfolio.
BOOKED_BY = "backtest.paper"
#: The most waiting orders in a result.
_MOST_SHOWN = 200


async def run_paper(run: Run) -> PaperResult:
    """Book each session of a portfolio that was not booked before, up to that of the request.

    Raises:
        NotFound: the owner has no such portfolio.
        Conflict: the portfolio follows another strategy, holds shares at its first session or others than its
            strategy trades, was changed meanwhile, or the job was cancelled.
        InvalidRequest: the portfolio has no cash, no daily bars of the session are held, or the strategy cannot run.
        StoreError: a store is unavailable; the job continues later.

    """
    request = PaperRequest.parse(run.request)
    portfolios, books = run.database.open(open_portfolios), run.database.open(open_paper_books)
    portfolio = await portfolios.load(run.owner, request.portfolio_id)
    if not get_provider_spec(portfolio.provider).is_tse:
        raise InvalidRequest(
            f"the portfolio is valued by {portfolio.provider}, expected a provider with the sessions of the TSE"
        )
    session = resolve_last_session(request.session, utc_now(), is_tse=True, delay_s=run.settings.provider_delay_s)
    book = await books.load(run.owner, request.portfolio_id) or await _start(run, portfolio, request, session)
    if book.terms != request.terms:
        raise Conflict(f"the portfolio follows {_say(book)}: to follow another strategy, make another portfolio")
    followed = await _follow(run, portfolio, request, book, max(session, book.started_on))
    desk = _Desk(run, portfolio, portfolios, book, books, followed)
    return await desk.book_sessions()


async def _start(run: Run, portfolio: Portfolio, request: PaperRequest, session: date) -> PaperBook:
    entries = await run.database.open(open_portfolios).load_entries(portfolio.owner, portfolio.portfolio_id)
    market = _market(run)
    splits = await market.splits(portfolio.provider, {entry.symbol for entry in entries if entry.symbol})
    account = Account.at(entries, splits, session)
    if account.shares:
        held = ", ".join(sorted(account.shares)[:5])
        raise Conflict(f"the portfolio holds {held}: to follow a strategy, it begins with cash alone")
    if account.cash <= 0:
        raise InvalidRequest(
            f"the portfolio has no cash on {session}: deposit some on that day or before", pointer="/portfolio_id"
        )
    book = PaperBook(portfolio.portfolio_id, portfolio.owner, request.terms, session, account.cash)
    # The bars come first: a portfolio does not begin with a request that cannot be run.
    await _follow(run, portfolio, request, book, session)
    return await run.database.open(open_paper_books).start(book)


async def _follow(run: Run, portfolio: Portfolio, request: PaperRequest, book: PaperBook, session: date) -> Followed:
    asked = request.to_backtest(portfolio.provider, book.cash, book.started_on, session)
    pinned = pin_request(asked, run.settings)
    run.keeper.look_often()

    def should_stop() -> bool:
        run.keeper.note_life()
        return run.should_stop()

    try:
        with open_requested(pinned, run.settings, should_stop=should_stop) as find:
            kind = await asyncio.to_thread(find)
            bars = await load_study_bars(
                pinned, run.settings, statements=kind.statements, database=run.database, should_stop=should_stop
            )
            if day_of(bars.panel, -1) != session:
                command = ingest_command(portfolio.provider, Interval.D1, 1, ())
                raise InvalidRequest(
                    f"no daily bars of {session} are held, the newest are of {day_of(bars.panel, -1)}: {command}"
                )
            strategy = kind.parse(pinned.parameters)
            return await asyncio.to_thread(follow, bars.panel, strategy, pinned, should_stop)
    except Stopped as e:
        raise Conflict("the job was cancelled") from e


def _market(run: Run) -> Market:
    return Market(build_bar_store(run.settings), build_action_store(run.settings), utc_now)


def _say(book: PaperBook) -> str:
    given = ", ".join(f"{name}={value}" for name, value in book.terms.get("parameters", {}).items())
    of = book.terms.get("market") or ", ".join(book.terms.get("symbols", [])[:5])
    return f"{book.terms['strategy']}({given}) on {of} since {book.started_on}"


@dataclass(frozen=True, slots=True)
class _Desk:
    """Books the sessions of one portfolio."""

    run: Run
    portfolio: Portfolio
    portfolios: PortfolioStore
    book: PaperBook
    books: PaperStore
    followed: Followed

    async def book_sessions(self) -> PaperResult:
        """Book each session after the newest one, and return where the portfolio stands."""
        newest = next(iter(await self.books.list_sessions(self.book, limit=1)), None)
        bars = self.followed.bars_after(newest.session if newest else None)
        fills = 0
        for bar in bars:
            newest = await self._book(bar, newest)
            fills += newest.fills
        await self.books.compare(self.book, self.followed.curve())
        if newest is None:
            raise InvalidRequest(f"no daily bars since {self.book.started_on} are held")
        equity = self.followed.curve().get(newest.session, newest.backtest_equity)
        return PaperResult(
            portfolio_id=self.portfolio.portfolio_id,
            strategy=self.book.terms["strategy"],
            session=newest.session,
            booked=len(bars),
            fills=fills,
            equity=newest.equity,
            backtest_equity=equity,
            drift=newest.equity / equity - 1 if equity else 0.0,
            next_session=find_next_session(self.followed.panel),
            next_orders=[NextOrder.model_validate(each) for each in newest.orders[:_MOST_SHOWN]],
            next_order_count=len(newest.orders),
        )

    async def _book(self, bar: int, before: PaperSession | None) -> PaperSession:
        """Fill what waited at the close before, book it, and save the session with what waits now."""
        panel, day = self.followed.panel, day_of(self.followed.panel, bar)
        entries = await self._load_entries()
        splits = await _market(self.run).splits(self.portfolio.provider, {one.symbol for one in entries if one.symbol})
        new: Sequence[Entry] = ()
        if before is not None:
            account = Account.at(entries, splits, before.session)
            waiting = Waiting.parse(before.waiting)
            broker = account.open_broker(panel, bar, self.followed.rules, waiting)
            new = await asyncio.to_thread(fill_bar, broker, panel, bar, day)
            await self._book_entries(day, new, seen=len(entries))
            entries = await self._load_entries()
            symbols = {one.symbol for one in entries if one.symbol}
            splits = await _market(self.run).splits(self.portfolio.provider, symbols)
        account = Account.at(entries, splits, day)
        waiting = self.followed.waiting.get(bar, Waiting())
        saved = PaperSession(
            session=day,
            equity=account.equity(panel, bar),
            backtest_equity=float(self.followed.result.equity[bar]),
            fills=sum(one.kind.is_trade and one.day == day and one.created_by == BOOKED_BY for one in entries),
            waiting=waiting.to_json(),
            orders=[one.model_dump(mode="json") for one in self._list_orders(account, bar, waiting)],
        )
        await self.books.save(self.book, saved)
        return saved

    def _list_orders(self, account: Account, bar: int, waiting: Waiting) -> list[NextOrder]:
        seen = self.followed.panel.until(bar)
        broker = account.open_broker(seen, bar + 1, self.followed.rules, waiting)
        return list_next_orders(Result(seen, broker.sim, account.cash, tuple(broker.orders)))

    async def _load_entries(self) -> list[Entry]:
        return await self.portfolios.load_entries(self.portfolio.owner, self.portfolio.portfolio_id)

    async def _book_entries(self, day: date, new: Sequence[Entry], *, seen: int) -> None:
        """Book the entries of a session, unless a job that was killed has booked them."""
        symbols = {one.symbol for one in new}
        splits = await _market(self.run).splits(self.portfolio.provider, symbols) if symbols else ()
        named = [replace(one, created_by=BOOKED_BY) for one in new]

        def draft(portfolio: Portfolio, kept: Sequence[Entry]) -> Sequence[Entry]:
            if any(one.created_by == BOOKED_BY and one.day == day for one in kept):
                return ()
            if portfolio.entries != seen:
                raise Conflict("the portfolio was changed while the session was booked: retry the job")
            check_new(kept, number_entries(named, after=portfolio.entries), splits, lot=portfolio.lot)
            return named

        await self.portfolios.book(self.portfolio.owner, self.portfolio.portfolio_id, draft)
