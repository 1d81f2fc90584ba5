"""Links of pages: a path with the values of a query, and the page that matches a path of the API."""

import re
from typing import Any
from urllib.parse import parse_qs, urlencode

from kaboom.dashboard.api_client import Reply

#: The page for each prefix of an API path; query fields that the page also has are kept.
_PAGES = (
    ("/api/v1/workers", "/workers", ""),
    ("/api/v1/jobs", "/jobs", "status|queue|q"),
    ("/api/v1/dead-letters", "/dead-letters", ""),
    ("/api/v1/coverage/sessions", "/", "market|interval"),
    ("/api/v1/universe", "/data", "market"),
    ("/api/v1/notifications/messages", "/notifications", ""),
)
_SCHEDULE = re.compile(r"/api/v1(/schedules/[0-9a-f]{32})")


def link_to(path: str, **values: object) -> str:
    """Return a path with more values in its query; values that are None or "" are left out."""
    query = urlencode({name: value for name, value in values.items() if value not in (None, "")}, doseq=True)
    if not query:
        return path
    return f"{path}{'&' if '?' in path else '?'}{query}"


def page_links(here: str, found: Reply[Any], cursor: object) -> dict[str, str]:
    """Return the links to the newest and to older rows of a list at `here`, or ""; `cursor` is that of the page."""
    older = found.data.next_cursor if found.is_ok else None
    return {"newest": here if cursor else "", "older": link_to(here, cursor=older) if older else ""}


def page_showing(link: str) -> str:
    """Return the page that shows the same as a path of the API; "" if there is no such page."""
    if found := _SCHEDULE.fullmatch(link):
        return found[1]
    path, _, query = link.partition("?")
    for begin, page, kept in _PAGES:
        if path == begin:
            values = parse_qs(query)
            return link_to(page, **{name: values[name] for name in values if name in kept.split("|")})
    return ""
