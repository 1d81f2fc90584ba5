"""The data page: which bars are stored by symbol and session, which rows were rejected, and how to fetch what lacks."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from kaboom.bars.coverage.cells import GAPS, SUSPECTS, CellState
from kaboom.dashboard.api_client import Reply
from kaboom.dashboard.job_rows import estimate_s
from kaboom.dashboard.labels import LABELS, label
from kaboom.dashboard.links import link_to, page_links
from kaboom.dashboard.page_request import OpenPage, Page, Providers, ask_providers
from kaboom.dashboard.viewer import read_form
from kaboom.jobs.api.view import Accepted, JobPage
from kaboom.jobs.deps import needs
from kaboom.market.indices import SECTORS, Sector
from kaboom.market.interval import Interval, parse_interval
from kaboom.market.listing import Market
from kaboom.market.source import is_derived
from kaboom.market_data.schemas import QuarantinePage, SessionPage, StoredSeries, StoredSeriesPage
from kaboom.providers.registry import SourceName, get_provider_spec, provider_names
from kaboom.text.catalogue import Language
from kaboom.web.auth.scopes import Scope

router = APIRouter()
SESSIONS = 250
FINE = (CellState.COMPLETE, CellState.EMPTY, CellState.PENDING)
#: From the least to the most severe: if symbols share a pixel, their most severe state is shown.
SEVERITY = (
    *(CellState.EMPTY, CellState.COMPLETE, CellState.PENDING, *SUSPECTS),
    *(CellState.OUTDATED, CellState.NOT_FINAL, CellState.LOST, CellState.MISSING),
)
VERDICT_MARKS = {
    "pending": ("idle", "wait"), "degraded": ("bad", "bad"), "gaps": ("warn", "warn"), "complete": ("ok", "ok"),
}  # fmt: skip
GROUPS = ("sector", "symbol", "size", "worst")
HEIGHTS = ("fit", "3", "14")
#: The value of KABOOM_PROVIDER in the query, whose name the page need not know.
_DEFAULT = "default"


class DataFilters(BaseModel):
    """The query of the page; unknown fields are ignored, so that old links still open."""

    interval: Interval = Interval.M1
    provider: Literal["", "default"] | SourceName = Field(
        default="",
        union_mode="left_to_right",
        description="default: that of KABOOM_PROVIDER; none: whichever the user has bars of",
    )
    market: Market | Literal[""] = ""
    q: str = Field(default="", max_length=100)
    group: Literal["sector", "symbol", "size", "worst"] = "sector"
    rows: Literal["fit", "3", "14"] = "fit"
    state: list[CellState] = Field(default=[], max_length=len(CellState), description="shown; none: all")

    def to_api(self) -> dict[str, object]:
        """Return the query of the API."""
        return {
            "interval": self.interval,
            "provider": None if self.provider in ("", _DEFAULT) else self.provider,
            "market": self.market,
            "sessions": SESSIONS,
        }

    def link(self, **changed: object) -> str:
        """Return the link of the page with some filters changed."""
        values = self.model_dump(mode="json", exclude_defaults=True) | changed
        return link_to("/data", **values)

    def is_shown(self, state: CellState) -> bool:
        """Return whether cells in a state are shown."""
        return not self.state or state in self.state


@router.get("/data", dependencies=[needs(Scope.BARS_READ)])
async def show_data(page: Page, filters: Annotated[DataFilters, Query()]) -> Response:
    """Show a map of the newest sessions, and a table of those that are not complete."""
    held = await page.api.get(StoredSeriesPage, "/api/v1/coverage/series")
    stored = held.items
    providers = await ask_providers(page) if page.viewer.may(Scope.JOBS_READ) else ()
    filters = open_on(stored, filters, default=held.view.default_provider) if held.view else filters
    asked = filters.to_api()
    reply = await _ask_sessions(page, asked)
    if reply.status == 422 and reply.problem:
        return await page.show_problem(reply)
    found, rows = reply.view, reply.items
    provider = found.provider if found else ""
    return await page.show(
        "data.html",
        reply=reply,
        provider=next((each for each in providers if each.name == provider), None),
        sessions=rows,
        about=found,
        wanting=[row for row in rows if row.verdict != "complete"],
        totals={state: sum(getattr(row, state) for row in rows) for state in CellState},
        gaps=GAPS,
        suspects=SUSPECTS,
        fine=FINE,
        filters=filters,
        cells_path=link_to("/api/v1/coverage/cells", **asked),
        severity=SEVERITY,
        to_fetch=sum(getattr(row, state) for row in rows for state in GAPS),
        odd=sum(getattr(row, state) for row in rows for state in SUSPECTS),
        to_fetch_sessions=sum(any(getattr(row, state) for state in GAPS) for row in rows),
        map_words=_words_of(page.viewer.language),
        sector_names={each.code: _names_of(each, page.viewer.language) for each in SECTORS},
        verdict_marks=VERDICT_MARKS,
        is_derived=is_derived(provider),
        sources=_sources_of(providers, stored, filters.provider),
        choices={"interval": tuple(Interval), "market": _MARKETS, "group": GROUPS, "rows": HEIGHTS},
    )


async def _ask_sessions(page: OpenPage, asked: Mapping[str, object]) -> Reply[SessionPage]:
    reply = await page.api.get(SessionPage, "/api/v1/coverage/sessions", **asked)
    if reply.status == 503:
        # A busy machine may need more than the 5 s of an answer for a year of a market, but continues: ask once more.
        reply = await page.api.get(SessionPage, "/api/v1/coverage/sessions", **asked)
    return reply


_MARKETS = ("", *(market for market in Market if market.is_tse))


def open_on(stored: Sequence[StoredSeries], filters: DataFilters, *, default: str) -> DataFilters:
    """Return the filters with the provider and the interval that the page opens on if the query names none.

    Generated bars of the default provider give way to real ones: own files first, then the newest, then the finest.
    """
    if filters.provider or filters.market or any(each.is_real and each.provider == default for each in stored):
        return filters
    may_be = [each for each in stored if each.is_real and not is_derived(each.provider)]
    if "interval" in filters.model_fields_set:
        may_be = [each for each in may_be if each.interval is filters.interval]
    if not may_be:
        return filters
    best = min(
        may_be,
        key=lambda each: (get_provider_spec(each.provider).is_tse, -each.last_at.toordinal(), each.interval.seconds),
    )
    return filters.model_copy(update={"provider": best.provider, "interval": best.interval})


def _sources_of(providers: Providers, stored: Sequence[StoredSeries], chosen: str) -> Mapping[str, str]:
    """Return the providers that may be chosen: their value in the query, and their name; none if there is one alone."""
    held = {each.provider for each in stored}
    found = {
        _DEFAULT if each.is_default else each.name: each.name for each in providers if each.is_on or each.name in held
    }
    if chosen not in ("", _DEFAULT, *found.values()):
        found[chosen] = chosen
    return found if len(found) > 1 else {}


def _words_of(language: Language) -> dict[str, str]:
    """Return the texts that the script of the map uses."""
    states = {f"s_{state}": label("cell_state", state, language) for state in CellState}
    about = {f"w_{state}": label("cell_about", state, language) for state in CellState}
    return states | about | {word: label("map_word", word, language) for word in LABELS["map_word"]}


def _names_of(sector: Sector, language: Language) -> tuple[str, str]:
    """Return the name that is shown, and the name in the other language, by which the search also finds it."""
    return (sector.ja, sector.en) if language == "ja" else (sector.en, sector.ja)


_BACKFILL = "/api/v1/ingest/backfill"
#: The most sessions that the preview names.
_MOST_NAMED = 5


@router.post("/data/fetch", dependencies=[needs(Scope.INGEST), needs(Scope.BARS_READ)])
async def preview(page: Page, request: Request) -> Response:
    """Show which bars a backfill would fetch, by the same judgement as the map; no job is submitted."""
    body = _read(await read_form(request))
    ((interval, sessions),) = body["intervals"].items()
    wanted = (*GAPS, *SUSPECTS) if "include_short" in body else GAPS
    asked = {"interval": interval, "provider": body.get("provider"), "market": body["market"], "sessions": sessions}
    found = (await _ask_sessions(page, asked)).data
    states = {state: sum(getattr(row, state) for row in found.items) for state in wanted}
    lacking = [(row.session, sum(getattr(row, state) for state in wanted)) for row in found.items]
    most = sorted((each for each in lacking if each[1]), key=lambda each: -each[1])[:_MOST_NAMED]
    ended = {"queue": "ingest", "status": ["completed", "partial"], "limit": 50}
    done = (await page.api.get(JobPage, "/api/v1/jobs", **ended)).items if most else []
    form = {"interval": interval, "market": body["market"], "provider": found.provider}
    form |= {"include_short": "1"} if "include_short" in body else {}
    values = {
        # A backfill has an item for each symbol: at least as many as lack the same session.
        "takes": estimate_s(done, provider=found.provider, interval=interval, symbols=most[0][1]) if most else None,
        "states": {state: n for state, n in states.items() if n},
        "most": most,
        "body": form,
        "command": _command(sessions, form),
    }
    return await page.show("parts/data_fetch.html" if page.is_part else "data_fetch.html", **values)


@router.post("/data/run", dependencies=[needs(Scope.INGEST)])
async def run(page: Page, request: Request) -> Response:
    """Fetch the bars that the preview named."""
    reply = (await page.api.post(Accepted, _BACKFILL, _read(await read_form(request)))).require()
    return page.go_to(f"/jobs/ingest/{reply.data.job_id}")


def _read(fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the backfill request of a form; the API checks it."""
    given = {name: values[0] for name, values in fields.items() if values and values[0]}
    provider = given.get("provider", "")
    is_tse = not provider or get_provider_spec(provider).is_tse
    body: dict[str, Any] = {"intervals": {parse_interval(given.get("interval", "1m")).value: SESSIONS}}
    body["market"] = given.get("market") or (Market.TSE_PRIME if is_tse else Market.FILE).value
    if provider:
        body["provider"] = provider
    if "include_short" in given:
        body["include_short"] = True
    return body


def _command(sessions: int, body: Mapping[str, Any]) -> str:
    parts = [f"kaboom ingest backfill --wait --interval {body['interval']}={sessions} --market {body['market']}"]
    parts += [f"--provider {body['provider']}"] if body["provider"] else []
    parts += ["--include-short"] if "include_short" in body else []
    return " ".join(parts)


_QUARANTINE = "/api/v1/bars/quarantine"
_ROWS = 100


class RowFilters(BaseModel):
    """The query of the page; the _QUARANTINE checks it."""

    interval: Interval = Interval.M1
    provider: str = Field(default="", max_length=40)
    session: str = Field(default="", max_length=10)
    symbol: str = Field(default="", max_length=100)
    reason: str = Field(default="", max_length=40)
    cursor: str | None = Field(default=None, max_length=300)

    def link(self, **changed: str) -> str:
        """Return the link of the page with some filters changed, from its first row on."""
        values = self.model_dump(mode="json", exclude={"cursor"}) | changed
        return link_to("/quarantine", **values | {"interval": "" if values["interval"] == "1m" else values["interval"]})


@router.get("/quarantine", dependencies=[needs(Scope.BARS_READ)])
async def show_quarantine(page: Page, filters: Annotated[RowFilters, Query()]) -> Response:
    """Show rejected rows, newest first."""
    asked = filters.model_dump(mode="json") | {"limit": _ROWS}
    found = await page.api.get(QuarantinePage, _QUARANTINE, **asked)
    if found.status == 400 and filters.cursor:
        return page.go_to(filters.link())
    return await page.show(
        "operations/quarantine.html",
        200 if found.is_ok or found.status >= 500 else found.status,
        found=found,
        filters=filters,
        intervals=[interval.value for interval in Interval],
        providers=provider_names(),
        is_daily=filters.interval is Interval.D1,
        **page_links(filters.link(), found, filters.cursor),
    )
