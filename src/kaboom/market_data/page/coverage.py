"""The data page: which bars are stored, by symbol and session."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from kaboom.bars.coverage.cells import GAPS, SUSPECTS, CellState
from kaboom.dashboard.api_client import Reply
from kaboom.dashboard.labels import LABELS, label
from kaboom.dashboard.links import link_to
from kaboom.dashboard.page_request import Page
from kaboom.jobs.deps import needs
from kaboom.market.indices import SECTORS, Sector
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.source import is_derived
from kaboom.providers.fields import SourceName
from kaboom.text.language import Language
from kaboom.web.auth.scopes import Scope

router = APIRouter(dependencies=[needs(Scope.BARS_READ)])
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


class DataFilters(BaseModel):
    """The query of the page; unknown fields are ignored, so that old links still open."""

    interval: Interval = Interval.M1
    provider: SourceName | Literal[""] = ""
    market: Market | Literal[""] = ""
    q: str = Field(default="", max_length=100)
    group: Literal["sector", "symbol", "size", "worst"] = "sector"
    rows: Literal["fit", "3", "14"] = "fit"
    state: list[CellState] = Field(default=[], max_length=len(CellState), description="shown; none: all")

    def to_api(self) -> dict[str, object]:
        """Return the query of the API."""
        return {
            "interval": self.interval,
            "provider": self.provider or None,
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


@router.get("/data")
async def show_data(page: Page, filters: Annotated[DataFilters, Query()]) -> Response:
    """Show a map of the newest sessions, and a table of those that are not complete."""
    asked = filters.to_api()
    reply = await page.api.get("/api/v1/coverage/sessions", asked)
    if reply.status == 503:
        # A busy machine may need more than the 5 s of an answer for a year of a market, but continues: ask once more.
        reply = await page.api.get("/api/v1/coverage/sessions", asked)
    if reply.status == 422 and reply.problem:
        return await page.show_problem(reply)
    found = reply.data if reply.is_ok else {}
    providers = await page.ask("/api/v1/providers") if found and page.viewer.may(Scope.JOBS_READ) else None
    rows = found.get("items", [])
    return await page.show(
        "data.html",
        reply=reply,
        provider=_provider_of(providers, found.get("provider", "")),
        sessions=rows,
        about=found,
        wanting=[row for row in rows if row["verdict"] != "complete"],
        totals={state: sum(row[state] for row in rows) for state in CellState},
        gaps=GAPS,
        suspects=SUSPECTS,
        fine=FINE,
        filters=filters,
        cells_path=link_to("/api/v1/coverage/cells", **asked),
        severity=SEVERITY,
        to_fetch=sum(row[state] for row in rows for state in GAPS),
        to_fetch_sessions=sum(any(row[state] for state in GAPS) for row in rows),
        map_words=_words_of(page.viewer.language),
        sector_names={each.code: _names_of(each, page.viewer.language) for each in SECTORS},
        verdict_marks=VERDICT_MARKS,
        is_derived=is_derived(found.get("provider", "")),
        sources=_sources_of(providers, filters.provider),
        choices={"interval": tuple(Interval), "market": _MARKETS, "group": GROUPS, "rows": HEIGHTS},
    )


_MARKETS = ("", *(market for market in Market if market.is_tse))


def _provider_of(providers: Reply | None, name: str) -> Mapping[str, Any] | None:
    """Return a provider of the API; None for bars that are rolled up, or if the list is unavailable."""
    items = providers.data["items"] if providers and providers.is_ok else []
    return next((each for each in items if each["name"] == name), None)


def _sources_of(providers: Reply | None, chosen: str) -> Mapping[str, str]:
    """Return the providers that may be chosen: their value in the query, and their name; none if there is one alone."""
    items = providers.data["items"] if providers and providers.is_ok else []
    found = {"" if each["is_default"] else each["name"]: each["name"] for each in items if each["is_on"]}
    if chosen and chosen not in found.values():
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
