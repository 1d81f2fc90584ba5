"""The saved views of the jobs page: names and query strings, in a cookie of the viewer's browser."""

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

import orjson
from fastapi import Request

COOKIE = "kaboom_views"
_MOST = 12
_NAME_CHARACTERS = 40
_QUERY_CHARACTERS = 300
#: The query parameters that a view keeps.
_KEPT = frozenset({"q", "status", "queue", "period"})


@dataclass(frozen=True, slots=True)
class View:
    """A saved view."""

    name: str
    query: str


def read_views(request: Request) -> list[View]:
    """Return the views of the request's cookie; invalid views are left out."""
    try:
        found = orjson.loads(base64.urlsafe_b64decode(request.cookies.get(COOKIE, "") or "W10="))
    except (ValueError, binascii.Error):
        return []
    if not isinstance(found, list):
        return []
    pairs = [each for each in found if isinstance(each, list) and len(each) == 2]
    return [View(name, query) for name, query in pairs if isinstance(name, str) and isinstance(query, str)][:_MOST]


def add_view(views: list[View], name: str, query: str) -> list[View]:
    """Return the views with a new one first; a view of the same name is replaced, and the oldest are dropped."""
    name = " ".join(name.split())[:_NAME_CHARACTERS]
    kept = urlencode([pair for pair in parse_qsl(query) if pair[0] in _KEPT])
    if not name or len(kept) > _QUERY_CHARACTERS:
        return views
    return [View(name, kept), *drop_view(views, name)][:_MOST]


def drop_view(views: list[View], name: str) -> list[View]:
    """Return the views without one."""
    return [view for view in views if view.name != name]


def write_views(views: list[View]) -> str:
    """Return the cookie's value."""
    return base64.urlsafe_b64encode(orjson.dumps([[view.name, view.query] for view in views])).decode()
