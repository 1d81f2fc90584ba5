"""Links of pages: a path with the values of a query, and the page that shows what a path of the API does."""

import re
from urllib.parse import parse_qsl, urlencode

#: Where a path of the API is shown, by how it begins; a query that the page knows, too, is kept.
_PAGES = (
    ("/api/v1/workers", "/workers", ""),
    ("/api/v1/jobs", "/jobs", "status|queue|q"),
    ("/api/v1/dead-letters", "/dead-letters", ""),
    ("/api/v1/coverage/sessions", "/", "market|interval"),
    ("/api/v1/universe", "/data", "market"),
)
_SCHEDULE = re.compile(r"/api/v1(/schedules/[0-9a-f]{32})")


def link_to(path: str, **values: object) -> str:
    """Return a path with more values in its query; those that are None or "" are left out."""
    query = urlencode({name: value for name, value in values.items() if value not in (None, "")}, doseq=True)
    if not query:
        return path
    return f"{path}{'&' if '?' in path else '?'}{query}"


def page_showing(link: str) -> str:
    """Return the page that shows what a path of the API does; "" where none does."""
    if found := _SCHEDULE.fullmatch(link):
        return found[1]
    path, _, query = link.partition("?")
    for begin, page, kept in _PAGES:
        if path == begin:
            return link_to(page, **{name: value for name, value in parse_qsl(query) if name in kept.split("|")})
    return ""
