"""A page being built: it calls the API with the rights of its viewer, then renders a template."""

import asyncio
from collections.abc import Awaitable, Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response, status
from fastapi.responses import RedirectResponse

from kaboom.dashboard.api_client import Api, Reply
from kaboom.dashboard.labels import CompanyName, name_of
from kaboom.dashboard.renderer import Pages
from kaboom.dashboard.viewer import Viewer, viewer_of
from kaboom.drivers.clock import utc_now
from kaboom.errors import StoreError
from kaboom.jobs.engine.health_checks import KeptAnswers
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.market_data.schemas import SymbolPage, UniverseView
from kaboom.operations.alerts import query_failed
from kaboom.operations.providers import ProviderList, ProviderView
from kaboom.web.auth.scopes import Scope
from kaboom.web.server.negotiate import accepts_gzip
from kaboom.web.services import services_of

#: More failed jobs are shown as "9+".
_MOST_FAILED = 10
_COUNT_KEPT_S = 5.0
_COUNT_PATIENCE_S = 0.2
#: How many companies a page names; each name is a request.
_MOST_NAMED = 50


class FailedJobs:
    """The failed jobs of each owner, for the badge that every page has: kept for some seconds, shared by all pages."""

    def __init__(self) -> None:
        self._counts: KeptAnswers[int] = KeptAnswers(for_s=_COUNT_KEPT_S)

    async def count(self, jobs: Jobs, owner: str) -> int:
        """Return the jobs that failed, in whole or in part, and were not retried, at most `_MOST_FAILED`.

        A page never waits for a slow ledger: it is shown without the badge, as if there were none.
        """

        async def find() -> int:
            return len(await jobs.parts.history.list_jobs(query_failed(owner, utc_now(), limit=_MOST_FAILED)))

        try:
            async with asyncio.timeout(_COUNT_PATIENCE_S):
                return await self._counts.ask(owner, find)
        except (StoreError, TimeoutError):
            return 0


@dataclass(frozen=True, slots=True)
class OpenPage:
    """A page that a viewer has requested."""

    request: Request
    viewer: Viewer
    api: Api
    pages: Pages

    @property
    def here(self) -> str:
        """The path of the page with its query."""
        url = self.request.url
        return url.path + (f"?{url.query}" if url.query else "")

    @property
    def is_part(self) -> bool:
        """Whether htmx requests a part of the page, not the whole page."""
        return "hx-request" in self.request.headers

    async def show(self, template: str, status_code: int = 200, /, **values: Any) -> Response:
        """Return a template as an HTML response; besides `values` the template gets `viewer`, `here` and `layout`."""
        text = await self.render(template, **values)
        is_packed = not self.is_part and accepts_gzip(self.request.headers.get("accept-encoding", ""))
        return self.pages.answer(text, status_code=status_code, is_packed=is_packed)

    async def render(self, template: str, **values: Any) -> str:
        """Return a template as text; a template that extends `layout` has no frame if htmx requests a part."""
        if self.is_part:
            frame: dict[str, Any] = {"layout": "bare.html"}
        else:
            frame = {"layout": "base.html", "failed_jobs": await self._count_failed()}
        return await self.pages.render(template, self.viewer, {"here": self.here, **frame, **values})

    async def _count_failed(self) -> int:
        services = services_of(self.request.app)
        if not self.viewer.may(Scope.JOBS_READ):
            return 0
        return await services.find(FailedJobs).count(services.find(Jobs), self.viewer.owner)

    async def share(self, show: Callable[["OpenPage"], Awaitable[Response]]) -> Response:
        """Return the response of `show`; a part is rendered at most once a second for all viewers who see the same."""
        viewer, parts = self.viewer, self.pages.shared
        caller = viewer.principal
        if not self.is_part or caller is None:
            return await show(self)
        shared = replace(self, viewer=replace(viewer, csrf=viewer.csrf and parts.csrf_mark))
        key = (viewer.owner, caller.scopes, viewer.language, bool(viewer.csrf), self.here)
        answer = await parts.ask(key, lambda: show(shared))
        text = bytes(answer.body).decode().replace(parts.csrf_mark, viewer.csrf)
        return self.pages.answer(text, status_code=answer.status_code)

    async def show_problem(self, reply: Reply[Any]) -> Response:
        """Return an error page with the title, the detail and the request id of a problem."""
        return await self.show("problem.html", reply.status, problem=reply.problem)

    def go_to(self, path: str) -> Response:
        """Redirect the viewer after a form."""
        return RedirectResponse(path, status_code=status.HTTP_303_SEE_OTHER)


type Providers = Sequence[ProviderView]


# A feature imports no other feature, so what pages of several features ask for is asked here.
async def ask_providers(page: OpenPage) -> Providers:
    """Ask for all providers; none if the list is unavailable."""
    return (await page.api.get(ProviderList, "/api/v1/providers")).items


async def ask_name(page: OpenPage, symbol: str) -> CompanyName | None:
    """Ask for the name of a symbol; None if it is not listed, or the lists are unavailable."""
    found = await page.api.get(SymbolPage, "/api/v1/symbols", q=symbol, limit=50)
    return next((name_of(each, page.viewer.language) for each in found.items if each.symbol == symbol), None)


async def ask_names_of(page: OpenPage, symbols: Iterable[str]) -> dict[str, CompanyName]:
    """Ask for the names of the first _MOST_NAMED symbols, of any market, by code; without those that no list has."""
    asked = list(dict.fromkeys(symbols))[:_MOST_NAMED]
    found = await asyncio.gather(*(ask_name(page, symbol) for symbol in asked))
    return {symbol: name for symbol, name in zip(asked, found, strict=True) if name is not None}


async def ask_names(page: OpenPage, market: str, symbols: Container[str]) -> dict[str, CompanyName]:
    """Ask for the names of some symbols of a market, by code; {} if the list of the market is unavailable."""
    found = await page.api.get(UniverseView, "/api/v1/universe", market=market)
    return {each.symbol: name_of(each, page.viewer.language) for each in found.items if each.symbol in symbols}


async def open_page(request: Request) -> OpenPage:
    """Return the page of a request."""
    viewer = viewer_of(request)
    return OpenPage(request, viewer, Api(request.scope, viewer.language), pages_of(request))


def pages_of(request: Request) -> Pages:
    """Return the renderer of this process."""
    return services_of(request.app).find(Pages)


#: The path to open after a form, from `next`; check it with `is_own_path`.
NextPath = Annotated[str, Query(alias="next", max_length=2000)]
#: The id of a job, a schedule or another object in a path.
HexId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Page = Annotated[OpenPage, Depends(open_page)]
