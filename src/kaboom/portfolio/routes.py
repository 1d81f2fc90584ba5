"""`/api/v1/portfolios`: portfolios, their positions and values, and the trades and cash that are booked in them."""

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Annotated

import orjson
from fastapi import Depends, Header, Query, Request, Response, status
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from kaboom.errors import Conflict
from kaboom.jobs.deps import Caller, Jobs, digest_key, needs
from kaboom.portfolio.book import OddLot, Shortfall
from kaboom.portfolio.broker_file import parse_history
from kaboom.portfolio.csv_file import MOST_FAULTS, Fault, Parsed, format_csv, parse_csv
from kaboom.portfolio.entry import Entry, EntryKind, Order, check_day, check_note, make_movement, make_trade
from kaboom.portfolio.imported import Imported, view_import
from kaboom.portfolio.model import Booked, BookingTerms, Once, Portfolio
from kaboom.portfolio.money import parse_yen
from kaboom.portfolio.schemas import (
    EntryListing,
    HistoryQuery,
    ImportBody,
    NewMovement,
    NewPortfolio,
    NewReversal,
    NewTrade,
    PerformanceQuery,
    PortfolioPatch,
    PositionsQuery,
)
from kaboom.portfolio.service import ManyDoubtful, PortfolioService, new_id, service_of
from kaboom.portfolio.views import (
    BookedDividends,
    CashPage,
    EntryView,
    EquityHistory,
    PerformanceView,
    PortfolioList,
    PortfolioView,
    PositionList,
    TradePage,
    ValuationView,
    view_entry,
    view_history,
    view_performance,
    view_portfolio,
    view_positions,
    view_valuation,
)
from kaboom.web.auth.changes import Action, logged_as
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import CONFLICT, INVALID, NOT_FOUND, OF_BODY, describe_problems
from kaboom.web.routers import FeatureRouter, hex_id

PREFIX = "/api/v1/portfolios"
READS, WRITES = [needs(Scope.PORTFOLIOS_READ)], [needs(Scope.PORTFOLIOS_WRITE)]
BODY = describe_problems(*OF_BODY, CONFLICT)
ONE = describe_problems(NOT_FOUND, INVALID)
#: 409 if a corporate action has changed since an entry was booked and a position would be negative.
DERIVED = ONE | describe_problems(CONFLICT)
_EXPORTED = "day,kind,symbol,quantity,price,fee,amount,note\r\n2025-11-04,buy,7203,200,2841.5,275,,\r\n"


PortfolioId = Annotated[str, hex_id("portfolio_id", "portfolio")]
Service = Annotated[PortfolioService, Depends(service_of)]
_BOOKS = ONE | BODY


async def _load(service: Service, caller: Caller, portfolio_id: PortfolioId) -> Portfolio:
    return await service.store.load(caller.owner, portfolio_id)


#: The portfolio that the path names; 404 if the caller's team has no such one.
Loaded = Annotated[Portfolio, Depends(_load)]

router = FeatureRouter(prefix=PREFIX, tags=["portfolios"])


@router.get("", dependencies=READS)
async def list_portfolios(service: Service, caller: Caller) -> PortfolioList:
    """List all portfolios, by name."""
    return PortfolioList(items=[view_portfolio(each) for each in await service.store.list_portfolios(caller.owner)])


@router.post("", status_code=status.HTTP_201_CREATED, responses=BODY, dependencies=WRITES)
@logged_as(Action.CREATE_PORTFOLIO)
async def create_portfolio(
    service: Service, jobs: Jobs, caller: Caller, body: NewPortfolio, response: Response
) -> PortfolioView:
    """Create a portfolio, without cash."""
    provider = body.provider or jobs.parts.settings.provider
    new = Portfolio(new_id(), caller.owner, body.name, provider, body.lot, created_by=caller.subject)
    kept = await service.store.add(new)
    response.headers["Location"] = f"{PREFIX}/{kept.portfolio_id}"
    return view_portfolio(kept)


@router.get("/{portfolio_id}", responses=ONE, dependencies=READS)
async def get_portfolio(portfolio: Loaded) -> PortfolioView:
    """Show one portfolio."""
    return view_portfolio(portfolio)


@router.patch("/{portfolio_id}", responses=ONE | BODY, dependencies=WRITES)
@logged_as(Action.RENAME_PORTFOLIO)
async def rename_portfolio(
    service: Service, caller: Caller, portfolio_id: PortfolioId, body: PortfolioPatch
) -> PortfolioView:
    """Rename a portfolio."""
    return view_portfolio(await service.store.rename(caller.owner, portfolio_id, body.name))


@router.delete("/{portfolio_id}", status_code=status.HTTP_204_NO_CONTENT, responses=ONE, dependencies=WRITES)
@logged_as(Action.DELETE_PORTFOLIO)
async def delete_portfolio(service: Service, caller: Caller, portfolio_id: PortfolioId) -> None:
    """Delete a portfolio; its name is free again. This cannot be undone."""
    await service.store.delete(caller.owner, portfolio_id)


@router.get("/{portfolio_id}/positions", responses=DERIVED, dependencies=READS)
async def list_positions(
    service: Service, portfolio: Loaded, query: Annotated[PositionsQuery, Query()]
) -> PositionList:
    """Show the positions, with their cost by moving average and by FIFO lots, after all splits up to today."""
    book, _ = await service.stand(portfolio)
    return view_positions(book, closed=query.closed)


@router.get("/{portfolio_id}/valuation", responses=DERIVED, dependencies=READS)
async def show_valuation(service: Service, portfolio: Loaded) -> ValuationView:
    """Show the value at the latest close of each position, with the time of the close and whether it is final."""
    return view_valuation(portfolio, await service.value(portfolio))


@router.get("/{portfolio_id}/equity", responses=DERIVED, dependencies=READS)
async def show_equity(service: Service, portfolio: Loaded, query: Annotated[HistoryQuery, Query()]) -> EquityHistory:
    """Show the value of a portfolio at the close of each session."""
    days = await service.history(portfolio, first=query.first, last=query.last)
    return view_history(portfolio, days)


@router.get("/{portfolio_id}/performance", responses=DERIVED, dependencies=READS)
async def show_performance(
    service: Service, portfolio: Loaded, query: Annotated[PerformanceQuery, Query()]
) -> PerformanceView:
    """Show returns without the effect of deposits (TWR) and with it (XIRR), against TOPIX, and by symbol."""
    return view_performance(portfolio, await service.performance(portfolio, first=query.first, last=query.last))


@router.get(
    "/{portfolio_id}/export",
    response_class=Response,
    responses=ONE
    | {200: {"content": {"text/csv": {"schema": {"type": "string"}, "examples": {"rows": {"value": _EXPORTED}}}}}},
    dependencies=READS,
)
async def export_portfolio(service: Service, portfolio: Loaded) -> Response:
    """Return the entries in force as CSV, which can be imported; no cell is a formula in a spreadsheet."""
    text = format_csv(await service.store.load_entries(portfolio.owner, portfolio.portfolio_id))
    name = f'attachment; filename="portfolio-{portfolio.portfolio_id}.csv"'
    return Response(text, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})


class _Asking:
    """The caller, the Idempotency-Key of the request, and the response whose headers are set."""

    def __init__(
        self,
        request: Request,
        response: Response,
        caller: Caller,
        key: Annotated[
            str | None,
            Header(
                alias="Idempotency-Key",
                pattern=r"^[\x21-\x7e]{1,255}$",
                description="the same key and body within 24 h book once, and get the same answer; another body 422",
            ),
        ] = None,
    ) -> None:
        self._path, self._response = request.scope["path"], response
        self._key = digest_key(key)
        self.caller: Principal = caller

    def once(self, body: BaseModel) -> Once | None:
        """Return the key with the digest of the request, if there is a key."""
        if self._key is None:
            return None
        asked = orjson.dumps(
            [self._path, body.model_dump(mode="json", exclude_unset=True)], option=orjson.OPT_SORT_KEYS
        )
        return Once(self._key, hashlib.sha256(asked).hexdigest())

    def note(self, booked: Booked) -> Booked:
        """Set a header if the entries were booked by an earlier request with the same key."""
        if booked.is_replayed:
            self._response.headers["Idempotency-Replayed"] = "true"
        return booked


_Asked = Annotated[_Asking, Depends()]


@router.get("/{portfolio_id}/trades", responses=ONE, dependencies=READS)
async def list_trades(service: Service, portfolio: Loaded, query: Annotated[EntryListing, Query()]) -> TradePage:
    """List trades and their reversals by day, newest first."""
    entries = await service.store.load_entries(portfolio.owner, portfolio.portfolio_id)
    items, cursor = _list_entries(entries, query, trades=True)
    return TradePage(items=items, next_cursor=cursor)


@router.post("/{portfolio_id}/trades", status_code=status.HTTP_201_CREATED, responses=_BOOKS, dependencies=WRITES)
@logged_as(Action.BOOK_TRADE)
async def book_trade(service: Service, portfolio: Loaded, body: NewTrade, asked: _Asked) -> EntryView:
    """Book a buy or a sell; cash and positions must not be negative on any day.

    A trade on a day without trading, or at a price far from the stored bars, is booked only with `force`.
    """
    day = check_day(body.day or service.today(), today=service.today())
    price, fee = parse_yen(body.price, field="price"), parse_yen(body.fee, field="fee")
    order = Order(body.symbol, body.quantity, price, fee)
    new = make_trade(new_id(), day, EntryKind(body.side), order, note=check_note(body.note))
    once = asked.once(body)
    terms = BookingTerms(is_forced=body.force)
    booked = await service.book(portfolio, [new], by=asked.caller.subject, once=once, terms=terms)
    return view_entry(asked.note(booked).entries[0], {})


@router.get("/{portfolio_id}/cash", responses=ONE, dependencies=READS)
async def list_cash(service: Service, portfolio: Loaded, query: Annotated[EntryListing, Query()]) -> CashPage:
    """List cash movements other than trades by day, newest first, and the balance of every account."""
    entries = await service.store.load_entries(portfolio.owner, portfolio.portfolio_id)
    items, cursor = _list_entries(entries, query, trades=False)
    accounts = dict(await service.store.balances(portfolio.owner, portfolio.portfolio_id))
    return CashPage(cash=portfolio.cash, accounts=accounts, items=items, next_cursor=cursor)


@router.post("/{portfolio_id}/cash", status_code=status.HTTP_201_CREATED, responses=_BOOKS, dependencies=WRITES)
@logged_as(Action.BOOK_CASH)
async def book_cash(service: Service, portfolio: Loaded, body: NewMovement, asked: _Asked) -> EntryView:
    """Book a movement of cash."""
    day = check_day(body.day or service.today(), today=service.today())
    amount, note = parse_yen(body.amount, field="amount"), check_note(body.note)
    new = make_movement(new_id(), day, EntryKind(body.kind), amount, symbol=body.symbol or "", note=note)
    booked = await service.book(portfolio, [new], by=asked.caller.subject, once=asked.once(body))
    return view_entry(asked.note(booked).entries[0], {})


@router.post("/{portfolio_id}/dividends", responses=DERIVED, dependencies=WRITES)
@logged_as(Action.BOOK_DIVIDENDS)
async def book_dividends(service: Service, caller: Caller, portfolio: Loaded) -> BookedDividends:
    """Book the dividends that are due by the corporate actions and that no entry has booked yet.

    An entry has the date of the ex-session, and the amount before tax for the shares held at the close before. A
    dividend whose entry was reversed is not booked again.
    """
    booked = await service.book_dividends(portfolio, by=caller.subject)
    return BookedDividends(items=[view_entry(entry, {}) for entry in booked.entries])


@router.post("/{portfolio_id}/reversals", status_code=status.HTTP_201_CREATED, responses=_BOOKS, dependencies=WRITES)
@logged_as(Action.REVERSE_ENTRY)
async def reverse_entry(service: Service, portfolio: Loaded, body: NewReversal, asked: _Asked) -> EntryView:
    """Reverse a trade or a cash movement with a new entry; booked entries are never changed."""
    by, note = asked.caller.subject, check_note(body.note)
    booked = await service.reverse(portfolio, body.entry_id, note=note, by=by, once=asked.once(body))
    return view_entry(asked.note(booked).entries[0], {})


@router.post("/{portfolio_id}/import", status_code=status.HTTP_201_CREATED, responses=_BOOKS, dependencies=WRITES)
@logged_as(Action.IMPORT_PORTFOLIO)
async def import_portfolio(service: Service, portfolio: Loaded, body: ImportBody, asked: _Asked) -> Imported:
    """Book all entries of a CSV file, or none; the answer names up to twenty wrong lines.

    Of the trade history of a broker, what was booked before and what is no cash trade of shares is left out, and said.
    """
    today = service.today()
    parsed = parse_history(body.csv, new_id, today=today) or parse_csv(body.csv, new_id, today=today)
    if parsed.faults:
        raise _refuse(*parsed.faults)
    try:
        by, once = asked.caller.subject, asked.once(body)
        terms = BookingTerms(is_forced=body.force, is_history=bool(parsed.broker), with_deposits=body.deposits)
        booked = await service.book(portfolio, parsed.entries, by=by, once=once, terms=terms)
    except ManyDoubtful as e:
        found = e.doubts[:MOST_FAULTS]
        raise _refuse(*(Fault(parsed.lines[each.entry_id], each.message) for each in found)) from e
    except Shortfall as e:
        message = f"{e.message}, or set deposits (--deposits)" if e.is_of_cash else e.message
        raise Conflict(_with_line(message, e.entry_id, parsed)) from e
    except OddLot as e:
        raise _refuse(Fault(parsed.lines[e.entry_id], e.message)) from e
    return view_import(parsed, asked.note(booked).entries)


def _list_entries(entries: Sequence[Entry], query: EntryListing, *, trades: bool) -> tuple[list[EntryView], str | None]:
    """Return a page of a portfolio's trades or of its other entries, and the cursor of the next one.

    The newest day comes first, and of a day the entry that was booked last. A reversal is listed on the same side as
    the entry that it reverses.
    """
    listed = (each for each in entries if bool(each.quantity) == trades and query.symbol in {None, each.symbol})
    wanted = sorted(listed, key=_by_day, reverse=True)
    last = next((_by_day(each) for each in entries if each.place == query.cursor), None)
    after = [each for each in wanted if last is None or _by_day(each) < last] if query.cursor is None or last else []
    page = after[: query.limit]
    cursor = str(page[-1].place) if len(after) > query.limit else None
    reversed_by = {entry.reverses: entry.entry_id for entry in entries if entry.reverses}
    return [view_entry(entry, reversed_by) for entry in page], cursor


def _by_day(entry: Entry) -> tuple[date, int]:
    return entry.day, entry.place


def _refuse(*faults: Fault) -> RequestValidationError:
    return RequestValidationError(
        [{"type": "value_error", "loc": ("body", "csv", fault.line), "msg": fault.message} for fault in faults]
    )


def _with_line(message: str, entry_id: str, parsed: Parsed) -> str:
    line = parsed.lines.get(entry_id)
    return message if line is None else f"line {line}: {message}"
