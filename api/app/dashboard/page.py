"""A page under way: asks the API as its viewer, then shows a template."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, cast

from fastapi import Depends, Query, Request, Response, status
from fastapi.responses import RedirectResponse

from app.dashboard.asking import Api, Reply, api_of
from app.dashboard.rendering import Pages
from app.dashboard.viewer import Viewer, viewer_of
from app.server.negotiate import accepts_gzip


@dataclass(frozen=True, slots=True)
class OpenPage:
    """A page that a viewer has asked for."""

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
        """Whether htmx asks for a part of the page, not for the whole."""
        return "hx-request" in self.request.headers

    async def ask(self, path: str, **query: object) -> Reply:
        """Ask the API for a path."""
        return await self.api.get(path, query)

    async def show(self, template: str, status_code: int = 200, /, **values: Any) -> Response:
        """Return a template as HTML; besides `values` it knows `viewer`, `here` and the shell's words."""
        text = await self.render(template, **values)
        is_packed = not self.is_part and accepts_gzip(self.request.headers.get("accept-encoding", ""))
        return self.pages.answer(text, status_code=status_code, is_packed=is_packed)

    async def render(self, template: str, **values: Any) -> str:
        """Return a template as text; a template that extends `layout` has no frame where it is a part."""
        layout = "bare.html" if self.is_part else "base.html"
        return await self.pages.render(template, self.viewer, {"here": self.here, "layout": layout, **values})

    async def share(self, show: Callable[["OpenPage"], Awaitable[Response]]) -> Response:
        """Return what `show` makes of the page; a part is made once a second for all who see the same."""
        viewer, parts = self.viewer, self.pages.shared
        caller = viewer.principal
        if not self.is_part or caller is None:
            return await show(self)
        shared = replace(self, viewer=replace(viewer, csrf=viewer.csrf and parts.csrf_mark))
        key = (viewer.owner, caller.scopes, viewer.language, bool(viewer.csrf), self.here)
        answer = await parts.ask(key, lambda: show(shared))
        text = bytes(answer.body).decode().replace(parts.csrf_mark, viewer.csrf)
        return self.pages.answer(text, status_code=answer.status_code)

    async def show_problem(self, reply: Reply) -> Response:
        """Return an error page with the title, the detail and the request id of a problem."""
        return await self.show("problem.html", reply.status, problem=reply.problem)

    def go_to(self, path: str) -> Response:
        """Send the viewer on after a form."""
        return RedirectResponse(path, status_code=status.HTTP_303_SEE_OTHER)


async def ask_all(**asked: Awaitable[Reply]) -> Mapping[str, Reply]:
    """Await several questions at once, and return their answers by name."""
    return dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))


async def open_page(request: Request) -> OpenPage:
    """Return the page that a request asks for."""
    viewer = viewer_of(request)
    return OpenPage(request, viewer, api_of(request, viewer.language), pages_of(request))


def pages_of(request: Request) -> Pages:
    """Return what renders pages in this process."""
    return cast("Pages", request.app.state.pages)


#: Where a form leads, in `next`; check it with `is_own_path`.
NextPath = Annotated[str, Query(alias="next", max_length=2000)]
Page = Annotated[OpenPage, Depends(open_page)]
