"""The pages of portfolios: the list, and one with its worth, positions, entries and the forms that book in it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response, status

from kaboom.dashboard.api_client import ProblemAnswered, Reply
from kaboom.dashboard.charts import draw_growth
from kaboom.dashboard.page_request import HexId, OpenPage, Page, ask_names_of
from kaboom.dashboard.unknown import AnyId, Near, UnknownName, find_near_names, is_id
from kaboom.dashboard.viewer import check_form, first_of, number_or_text, read_form
from kaboom.jobs.deps import needs
from kaboom.market.indices import TOPIX
from kaboom.portfolio.entry import CASH_KINDS
from kaboom.portfolio.imported import Imported
from kaboom.portfolio.views import (
    BookedDividends,
    CashPage,
    ContributionView,
    EntryView,
    EquityHistory,
    PerformanceView,
    PortfolioList,
    PortfolioView,
    TradePage,
    ValuationView,
)
from kaboom.providers.registry import provider_names
from kaboom.text.catalogue import Language, gettext
from kaboom.web.auth.scopes import Scope

router = APIRouter()


API = "/api/v1/portfolios"


@router.get("/portfolios", dependencies=[needs(Scope.PORTFOLIOS_READ)])
async def show_portfolios(page: Page) -> Response:
    """Show all portfolios, by name."""
    return await _show_list(page)


@router.post("/portfolios", dependencies=[needs(Scope.PORTFOLIOS_WRITE)])
async def create_portfolio(page: Page, request: Request) -> Response:
    """Create a portfolio, and open it."""
    fields = await read_form(request)
    given = {"name": first_of(fields, "name").strip(), "provider": first_of(fields, "provider")}
    reply = await page.api.post(PortfolioView, API, {name: value for name, value in given.items() if value})
    if not reply.is_ok:
        return await _show_list(page, reply.status, given=given, problem=reply.problem)
    return page.go_to(f"/portfolios/{reply.data.id}")


async def _show_list(page: Page, status_code: int = 200, **values: Any) -> Response:
    found = await page.api.get(PortfolioList, API)
    defaults = {"given": {"name": "", "provider": ""}, "problem": None}
    return await page.show(
        "portfolios/list.html",
        status_code,
        found=found,
        providers=provider_names(),
        **(defaults | values),
    )


_WRITES = [needs(Scope.PORTFOLIOS_WRITE)]
_DONE = ("booked", "reversed", "imported", "dividends", "renamed")
_FORMS = ("trades", "cash", "import", "dividends", "rename")
#: The fields of the forms that are sent as typed; empty fields are left out.
_TRADE, _CASH = ("day", "side", "symbol", "price", "fee", "note"), ("day", "kind", "amount", "symbol", "note")
_ENTRIES = 50


@router.get("/portfolios/{portfolio_id}", dependencies=[needs(Scope.PORTFOLIOS_READ)])
async def show_portfolio(
    page: Page,
    portfolio_id: AnyId,
    done: Annotated[str, Query(max_length=20)] = "",
    count: Annotated[int, Query(ge=0, le=100_000)] = 0,
    form: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show one portfolio; `form` opens a form on it."""
    values: dict[str, Any] = {
        "done": done if done in _DONE else "",
        "count": count,
        "opened": form if form in _FORMS else "",
    }
    try:
        if is_id(portfolio_id):
            return await _show(page, portfolio_id, **values)
    except ProblemAnswered as e:
        if e.reply.status != status.HTTP_404_NOT_FOUND:
            raise
    items = (await page.api.get(PortfolioList, API)).items
    listed = [Near(f"/portfolios/{each.id}", each.id, each.name) for each in items]
    raise UnknownName("portfolio", portfolio_id, find_near_names(portfolio_id, listed))


@router.post("/portfolios/{portfolio_id}/trades", dependencies=_WRITES)
async def book_trade(page: Page, request: Request, portfolio_id: HexId) -> Response:
    """Book a trade; a refused form is shown again with the reason."""
    fields = await read_form(request)
    body = _given(fields, _TRADE)
    body["quantity"] = number_or_text(first_of(fields, "quantity").strip())
    return await _book(page, portfolio_id, "trades", body | _flags(fields, "force"), fields)


@router.post("/portfolios/{portfolio_id}/cash", dependencies=_WRITES)
async def book_cash(page: Page, request: Request, portfolio_id: HexId) -> Response:
    """Book a movement of cash; a refused form is shown again with the reason."""
    fields = await read_form(request)
    return await _book(page, portfolio_id, "cash", _given(fields, _CASH), fields)


@router.post("/portfolios/{portfolio_id}/reverse", dependencies=_WRITES)
async def reverse_entry(page: Page, request: Request, portfolio_id: HexId) -> Response:
    """Reverse an entry."""
    fields = await read_form(request)
    (
        await page.api.post(EntryView, f"{API}/{portfolio_id}/reversals", {"entry_id": first_of(fields, "entry")})
    ).require()
    return page.go_to(f"/portfolios/{portfolio_id}?done=reversed")


@router.post("/portfolios/{portfolio_id}/import", dependencies=_WRITES)
async def import_entries(page: Page, request: Request, portfolio_id: HexId) -> Response:
    """Book a CSV file; a refused file is shown again with each wrong line."""
    fields = await read_form(request)
    body = {"csv": first_of(fields, "csv")} | _flags(fields, "force", "deposits")
    reply = await page.api.post(Imported, f"{API}/{portfolio_id}/import", body, key=first_of(fields, "key")[:64])
    if not reply.is_ok:
        return await _refuse(page, portfolio_id, "import", reply, fields)
    if reply.data.broker:
        # What was left out is shown once: a second submission of the form books nothing, and says the same.
        return await _show(page, portfolio_id, imported=reply.data)
    return page.go_to(f"/portfolios/{portfolio_id}?done=imported")


@router.post("/portfolios/{portfolio_id}/dividends", dependencies=_WRITES)
async def book_dividends(page: Page, request: Request, portfolio_id: HexId) -> Response:
    """Book the dividends that are due."""
    await check_form(request)
    reply = (await page.api.post(BookedDividends, f"{API}/{portfolio_id}/dividends")).require()
    return page.go_to(f"/portfolios/{portfolio_id}?done=dividends&count={len(reply.data.items)}")


@router.post("/portfolios/{portfolio_id}/rename", dependencies=_WRITES)
async def rename_portfolio(page: Page, request: Request, portfolio_id: HexId) -> Response:
    """Rename a portfolio; a refused name is shown again with the reason."""
    fields = await read_form(request)
    reply = await page.api.patch(PortfolioView, f"{API}/{portfolio_id}", {"name": first_of(fields, "name").strip()})
    if reply.is_ok:
        return page.go_to(f"/portfolios/{portfolio_id}?done=renamed")
    return await _refuse(page, portfolio_id, "rename", reply, fields)


@router.post("/portfolios/{portfolio_id}/remove", dependencies=_WRITES)
async def delete_portfolio(page: Page, request: Request, portfolio_id: HexId) -> Response:
    """Delete a portfolio, and go back to the list."""
    await check_form(request)
    (await page.api.delete(f"{API}/{portfolio_id}")).require()
    return page.go_to("/portfolios")


async def _book(
    page: OpenPage,
    portfolio_id: str,
    part: str,
    body: Mapping[str, Any],
    fields: Mapping[str, list[str]],
) -> Response:
    # A form that is sent twice books once.
    reply = await page.api.post(object, f"{API}/{portfolio_id}/{part}", body, key=first_of(fields, "key")[:64])
    if reply.is_ok:
        return page.go_to(f"/portfolios/{portfolio_id}?done=booked")
    return await _refuse(page, portfolio_id, part, reply, fields)


async def _refuse(
    page: OpenPage, portfolio_id: str, part: str, reply: Reply[Any], fields: Mapping[str, list[str]]
) -> Response:
    given = {name: first_of(fields, name) for name in fields}
    return await _show(page, portfolio_id, reply.status, problem=reply.problem, refused=part, given=given)


async def _show(page: OpenPage, portfolio_id: str, status_code: int = 200, **values: Any) -> Response:
    path = f"{API}/{portfolio_id}"
    portfolio, valuation, equity, performance, trades, cash = await asyncio.gather(
        page.api.get(PortfolioView, path),
        page.api.get(ValuationView, f"{path}/valuation"),
        page.api.get(EquityHistory, f"{path}/equity"),
        page.api.get(PerformanceView, f"{path}/performance"),
        page.api.get(TradePage, f"{path}/trades", limit=_ENTRIES),
        page.api.get(CashPage, f"{path}/cash", limit=_ENTRIES),
    )
    defaults: dict[str, Any] = {
        "done": "",
        "count": 0,
        "problem": None,
        "refused": "",
        "given": {},
        "opened": "",
        "imported": None,
    }
    named = [
        *(each.symbol for each in valuation.items),
        *(each.symbol for each in _contributions(performance.view)),
        *(each.symbol for each in trades.items),
        *(each.symbol for each in cash.items),
    ]
    return await page.show(
        "portfolios/one.html",
        status_code,
        portfolio=portfolio.data,
        valuation=valuation,
        equity=equity,
        booked={"trades": trades, "cash": cash},
        performance=performance,
        chart=_draw(performance.view, page.viewer.language),
        name_benchmark=_name_benchmark,
        names=await ask_names_of(page, filter(None, named)),
        kinds=[kind.value for kind in CASH_KINDS],
        key=uuid4().hex,
        **(defaults | values),
    )


def _contributions(found: PerformanceView | None) -> Sequence[ContributionView]:
    return found.contributions if found else []


def _flags(fields: Mapping[str, list[str]], *names: str) -> dict[str, Any]:
    return {name: True for name in names if first_of(fields, name)}


def _given(fields: Mapping[str, list[str]], names: tuple[str, ...]) -> dict[str, Any]:
    values = {name: first_of(fields, name).strip() for name in names}
    return {name: value for name, value in values.items() if value}


def _draw(found: PerformanceView | None, language: Language) -> str:
    """Return the growth of a portfolio beside TOPIX; "" if it is not known on two days."""
    if found is None:
        return ""
    lines: list[tuple[str, list[float | None]]] = [
        (gettext("Portfolio", language), [row.growth for row in found.items]),
    ]
    if found.benchmark:
        lines.append((_name_benchmark(found.benchmark), [row.benchmark for row in found.items]))
    return draw_growth([row.day for row in found.items], lines, language)


def _name_benchmark(symbol: str) -> str:
    return "TOPIX" if symbol == TOPIX else f"TOPIX ({symbol})"
