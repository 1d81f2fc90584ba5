"""The router of a feature, and what routes of several features share: ids in paths, and links to the next page."""

import re
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Request
from starlette.datastructures import MutableHeaders
from starlette.routing import Match
from starlette.types import Scope

from batch.errors import NotFound

HEX_ID = re.compile("[0-9a-f]{32}")


class FeatureRouter(APIRouter):
    """A router whose routes are looked at only for paths below its prefix.

    FastAPI asks every route of every router before the one that it looks for: of 200 routes that is a quarter of the
    CPU of a request.
    """

    def __init__(self, *, prefix: str, **options: Any) -> None:
        super().__init__(prefix=prefix, **options)
        self._root = prefix.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a route has the path and method."""
        is_ours = scope["path"].removeprefix(scope.get("root_path", "")).startswith(self._root)
        return super().matches(scope) if is_ours else (Match.NONE, {})


def hex_id(name: str, explain: Callable[[str], str]) -> Any:
    """Return the dependency that takes an id of 32 hex digits from a path; any other one is not found.

    Some other ids, such as one with a NUL, the database would refuse.
    """

    async def parse(text: Annotated[str, Path(alias=name, max_length=64, description="32 hex digits")]) -> str:
        if not HEX_ID.fullmatch(text):
            raise NotFound(explain(text))
        return text

    return Depends(parse)


def link_next(request: Request, headers: MutableHeaders | dict[str, str], cursor: str | None) -> None:
    """Link to the page after this one, if there is a cursor to it."""
    if cursor:
        url = request.url.include_query_params(cursor=cursor)
        headers["Link"] = f'<{quote(request.scope["path"])}?{url.query}>; rel="next"'
