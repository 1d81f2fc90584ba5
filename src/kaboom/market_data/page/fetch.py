"""Fetch the bars that the map shows as missing: a dry run of the backfill as a preview, then the backfill."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from kaboom.bars.coverage.cells import GAPS, SUSPECTS
from kaboom.dashboard.job_rows import estimate_s
from kaboom.dashboard.page_request import HexId, Page
from kaboom.dashboard.viewer import read_form
from kaboom.errors import NotFound
from kaboom.jobs.deps import needs
from kaboom.jobs.model import JobStatus
from kaboom.market.interval import parse_interval
from kaboom.market.listing import Market
from kaboom.providers.registry import get_provider_spec
from kaboom.web.auth.scopes import Scope

router = APIRouter(dependencies=[needs(Scope.INGEST)])
_BACKFILL = "/api/v1/ingest/backfill"
_JOB = "/api/v1/ingest/jobs"
#: The most sessions that the preview names.
_MOST_NAMED = 5
_SESSIONS = 250


@router.post("/data/fetch")
async def look(page: Page, request: Request) -> Response:
    """Find the missing bars, without fetching them."""
    body = _read(await read_form(request))
    reply = (await page.api.post(_BACKFILL, {**body, "dry_run": True})).require()
    with_suspects = "include_short" in body
    if page.is_part:
        return await _show(page, reply.data["job_id"], with_suspects=with_suspects)
    return page.go_to(f"/data/fetch/{reply.data['job_id']}{'?include_short=1' if with_suspects else ''}")


@router.get("/data/fetch/{job_id}", dependencies=[needs(Scope.JOBS_READ)])
async def preview(page: Page, job_id: HexId, include_short: str = "") -> Response:
    """Show the result of a dry run, or that it is still running."""
    return await _show(page, job_id, with_suspects=bool(include_short))


@router.post("/data/fetch/run")
async def run(page: Page, request: Request) -> Response:
    """Fetch the bars that the preview named."""
    reply = (await page.api.post(_BACKFILL, _read(await read_form(request)))).require()
    return page.go_to(f"/jobs/ingest/{reply.data['job_id']}")


async def _show(page: Page, job_id: str, *, with_suspects: bool) -> Response:
    reply = (await page.api.get(f"{_JOB}/{job_id}")).require()
    job = reply.data
    if job["task"] != "ingest.backfill" or len(job["intervals"] or {}) != 1:
        raise NotFound(f"job {job_id} is not a backfill of one interval")
    result = job["result"] or {}
    (interval,) = job["intervals"]
    gaps = (result.get("gaps") or {}).get(interval)
    body = {"interval": interval, "market": job["market"], "provider": result.get("provider")}
    body |= {"include_short": "1"} if with_suspects else {}
    symbols = gaps["symbols"] if gaps else 0
    done = (
        await page.ask("/api/v1/jobs", queue="ingest", status=["completed", "partial"], limit=50) if symbols else None
    )
    jobs = done.data["items"] if done and done.is_ok else []
    values = {
        "takes": estimate_s(jobs, provider=str(body["provider"]), interval=interval, symbols=symbols),
        "job": job,
        "is_over": JobStatus(job["status"]).is_final,
        "gaps": gaps,
        "states": [state for state in (*GAPS, *SUSPECTS) if gaps and gaps["states"].get(state)],
        "most": _name_most(gaps) if gaps else [],
        "body": body,
        "command": _command(job, body),
    }
    return await page.show("parts/data_fetch.html" if page.is_part else "data_fetch.html", **values)


def _read(fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the backfill request of a form; the API checks it."""
    given = {name: values[0] for name, values in fields.items() if values and values[0]}
    provider = given.get("provider", "")
    is_tse = not provider or get_provider_spec(provider).is_tse
    body: dict[str, Any] = {"intervals": {parse_interval(given.get("interval", "1m")).value: _SESSIONS}}
    body["market"] = given.get("market") or (Market.TSE_PRIME if is_tse else Market.FILE).value
    if provider:
        body["provider"] = provider
    if "include_short" in given:
        body["include_short"] = True
    return body


def _name_most(gaps: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    ranked: list[Mapping[str, Any]] = sorted(gaps["sessions"], key=lambda row: row["symbols"], reverse=True)
    return ranked[:_MOST_NAMED]


def _command(job: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    ((interval, sessions),) = job["intervals"].items()
    parts = [f"kaboom ingest backfill --wait --interval {interval}={sessions} --market {body['market']}"]
    parts += [f"--provider {body['provider']}"] if body["provider"] else []
    parts += ["--include-short"] if "include_short" in body else []
    return " ".join(parts)
