"""The forms to start a run or a sweep; a refused form is shown again with the reason at its field."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response, status

from kaboom.backtest.page.fields import (
    lines_of,
    list_fields,
    read_values,
    run_body,
    sweep_body,
    usual_costs,
    values_of,
)
from kaboom.backtest.page.reports import API
from kaboom.backtest.strategies.parameters import PARAMETERS
from kaboom.dashboard.api_client import problem_of
from kaboom.dashboard.page_request import OpenPage, Page
from kaboom.dashboard.viewer import first_of, read_form
from kaboom.errors import InvalidRequest
from kaboom.jobs.deps import needs
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.providers.registry import provider_names
from kaboom.web.auth.scopes import Scope

type Kind = Literal["run", "sweep"]

router = APIRouter()
_BODIES: Mapping[Kind, Callable[[Mapping[str, str]], dict[str, Any]]] = {"run": run_body, "sweep": sweep_body}
_DEFAULTS = {"interval": "1d", "sessions": "1250", "cash": "10000000"} | usual_costs()
#: The default values of a sweep for one or two parameters of each strategy; other strategies have none.
_GRIDS = {
    "sma_cross": {"p_fast": "5:30:5", "p_slow": "20:120:20"},
    "breakout": {"p_entry": "20:100:20", "p_exit": "10:40:10"},
    "mean_reversion": {"p_period": "10:40:5", "p_deviations": "1,1.5,2,2.5,3"},
    "momentum_rank": {"p_lookback": "20:240:20", "p_top": "1,2,3,5,10"},
    "buy_and_hold": {"p_weight": "0.25,0.5,0.75,1"},
}
#: Only an id, because it becomes a part of an API path.
_Again = Annotated[str, Query(alias="from", pattern="^([0-9a-f]{32})?$")]
_Chosen = Annotated[str, Query(max_length=40)]


@router.get("/backtests/new", dependencies=[needs(Scope.JOBS_READ)])
async def show_run_form(page: Page, strategy: _Chosen = "", again: _Again = "") -> Response:
    """Show the form of a run; `from` fills it with the request of another run."""
    return await _open(page, "run", strategy, again)


@router.get("/backtests/sweep", dependencies=[needs(Scope.JOBS_READ)])
async def show_sweep_form(page: Page, strategy: _Chosen = "", again: _Again = "") -> Response:
    """Show the form of a sweep; `from` fills it with the request of another sweep."""
    return await _open(page, "sweep", strategy, again)


@router.post("/backtests/new", dependencies=[needs(Scope.JOBS_WRITE)])
async def submit_run(page: Page, request: Request) -> Response:
    """Submit a run, and open its page."""
    return await _submit(page, request, "run")


@router.post("/backtests/sweep", dependencies=[needs(Scope.JOBS_WRITE)])
async def submit_sweep(page: Page, request: Request) -> Response:
    """Submit a sweep, and open its page."""
    return await _submit(page, request, "sweep")


async def _open(page: OpenPage, kind: Kind, strategy: str, again: str) -> Response:
    if again:
        job = (await page.ask(f"{API}/jobs/{again}")).require()
        values = values_of(job.data["request"] or {})
        return await _show(page, kind, {**values, **({"strategy": strategy} if strategy else {})})
    chosen = strategy or "sma_cross"
    values = _DEFAULTS | {"strategy": chosen} | (_GRIDS.get(chosen, {}) if kind == "sweep" else {})
    return await _show(page, kind, values)


async def _submit(page: OpenPage, request: Request, kind: Kind) -> Response:
    fields = await read_form(request)
    values = read_values(fields)
    try:
        body = _BODIES[kind](values)
    except InvalidRequest as e:
        return await _show(page, kind, values, status_code=422, problem=problem_of(e))
    # A form that is sent twice submits once.
    reply = await page.api.post(f"{API}/{kind}", body, key=first_of(fields, "key")[:64])
    if reply.is_ok:
        return page.go_to(f"/backtests/{reply.data['job_id']}")
    if reply.status in {status.HTTP_401_UNAUTHORIZED, status.HTTP_403_FORBIDDEN}:
        return await page.show_problem(reply)
    return await _show(page, kind, values, status_code=reply.status, problem=reply.problem)


async def _show(
    page: OpenPage,
    kind: Kind,
    values: Mapping[str, str],
    *,
    status_code: int = 200,
    problem: Mapping[str, Any] | None = None,
) -> Response:
    found = await page.ask(f"{API}/strategies")
    strategies, own = found.items, found.data["own"] if found.is_ok else None
    # The API sorts them by name; PARAMETERS begins with the best-known strategy.
    strategies.sort(key=lambda each: list(PARAMETERS).index(each["name"]))
    chosen = next((each for each in strategies if each["name"] == values.get("strategy")), None)
    return await page.show(
        "backtests/form.html",
        status_code,
        kind=kind,
        values=values,
        strategies=strategies,
        own=own,
        own_lines=lines_of(values) if values.get("strategy") in (own or ()) else None,
        chosen=chosen,
        parameters=list_fields(chosen) if chosen else [],
        intervals=[interval.value for interval in Interval],
        markets=[market.value for market in Market if market.is_section],
        providers=provider_names(),
        problem=problem,
        key=uuid4().hex,
    )
