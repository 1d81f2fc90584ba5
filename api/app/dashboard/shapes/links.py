"""Links of pages: a path with the values of a query."""

from urllib.parse import urlencode


def link_to(path: str, **values: object) -> str:
    """Return a path with more values in its query; those that are None or "" are left out."""
    query = urlencode({name: value for name, value in values.items() if value not in (None, "")}, doseq=True)
    if not query:
        return path
    return f"{path}{'&' if '?' in path else '?'}{query}"
