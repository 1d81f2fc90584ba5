"""The router of a feature, and what routes of several features share: ids in paths, views, links to the next page."""

import re
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.routing import Match
from starlette.types import Scope

from kaboom.errors import NotFound

HEX_ID = re.compile("[0-9a-f]{32}")


class FeatureRouter(APIRouter):
    """A router whose routes are matched only for paths below its prefix.

    By default FastAPI tries all routes of all routers in turn until one matches: with 200 routes, that takes a quarter
    of the CPU time of a request.
    """

    def __init__(self, *, prefix: str, **options: Any) -> None:
        super().__init__(prefix=prefix, **options)
        self._root = prefix.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a route has the path and method."""
        is_ours = scope["path"].removeprefix(scope.get("root_path", "")).startswith(self._root)
        return super().matches(scope) if is_ours else (Match.NONE, {})


def hex_id(name: str, what: str) -> Any:
    """Return the dependency that reads the id of `what` from a path; a text that is not 32 hex digits is answered 404.

    The database would reject some other texts, such as those with a NUL character.
    """

    async def parse(text: Annotated[str, Path(alias=name, max_length=64, description="32 hex digits")]) -> str:
        if not HEX_ID.fullmatch(text):
            raise NotFound.of_id(what, text)
        return text

    return Depends(parse)


def view_of[V: BaseModel](view: type[V], record: object, **others: Any) -> V:
    """Return a record as a view shows it: its attributes by the names of the view's fields, but for the `others`."""
    names = view.model_fields
    return view.model_validate({name: others[name] if name in others else getattr(record, name) for name in names})


def link_next(request: Request, headers: MutableHeaders | dict[str, str], cursor: str | None) -> None:
    """Add the `Link` header of the next page, if there is a cursor."""
    if cursor:
        url = request.url.include_query_params(cursor=cursor)
        headers["Link"] = f'<{quote(request.scope["path"])}?{url.query}>; rel="next"'
