"""The answers of J-Quants, with all pages, as rows."""

import contextlib
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from kaboom.drivers.http.client import HttpClient
from kaboom.errors import ProviderError
from kaboom.providers.jquants.query import JquantsQuery
from kaboom.providers.limiter.rate_limiter import RateLimiter
from kaboom.providers.wire import ProviderWire, Server

JQUANTS_SERVER = Server(
    "jquants", "JQUANTS_API_KEY must hold a valid key, and its plan the data (minutes are an add-on to Light or higher)"
)
#: A day of the TSE has 4,400 rows; two years of minutes of one symbol have 160,000.
_MOST_PAGES = 500
_MOST_BYTES = 64 << 20

type Row = dict[str, Any]


class JquantsSource:
    """Gets rows, following `pagination_key` until there is none."""

    def __init__(self, wire: ProviderWire, *, most_pages: int = _MOST_PAGES, is_encrypted: bool = True) -> None:
        """Take the wire, the most pages of an answer, and whether files must come by https."""
        self._wire = wire
        self._most_pages = most_pages
        self._schemes = {"https"} if is_encrypted else {"https", "http"}

    @classmethod
    def connect(
        cls, base_url: str, api_key: str, rate_limiter: RateLimiter, *, connections: int = 8
    ) -> "JquantsSource":
        """Return a source at an address; nothing is opened yet."""
        client = HttpClient(base_url.rstrip("/"), max_bytes=_MOST_BYTES, connections=connections)
        wire = ProviderWire(client, JQUANTS_SERVER, rate_limiter, headers={"x-api-key": api_key}, secret=api_key)
        return cls(wire, is_encrypted=not base_url.startswith("http://"))

    async def fetch_rows(self, query: JquantsQuery) -> list[Row]:
        """Return the rows of all pages.

        Raises:
            ProviderError: an answer was not as documented, or had too many pages; see `ProviderWire.get`.

        """
        rows: list[Row] = []
        params, seen = dict(query.params), set[str]()
        for _ in range(self._most_pages):
            answer = await self._wire.get(query.path, params)
            page, key = answer.get("data"), answer.get("pagination_key")
            if not isinstance(page, list) or not all(isinstance(row, dict) for row in page):
                raise ProviderError(
                    f"jquants: {query.path} had the fields {sorted(answer)[:9]}, expected a list of rows in 'data'",
                    retryable=True,
                )
            rows += page
            if not key:
                return rows
            if not isinstance(key, str) or key in seen:
                raise ProviderError(f"jquants: {query.path} came with a pagination_key again, expected a new one")
            seen.add(key)
            params["pagination_key"] = key
        raise ProviderError(f"jquants: {query.path} had more than {self._most_pages} pages, expected an end")

    async def fetch_address(self, query: JquantsQuery) -> str:
        """Return the address of a bulk file. It is signed, so it is a secret until it expires: no message holds it.

        Raises:
            ProviderError: the answer had no address, or one without https; see `ProviderWire.get`.

        """
        answer = await self._wire.get(query.path, query.params)
        url = answer.get("url")
        if not isinstance(url, str) or not _is_address(url, self._schemes):
            raise ProviderError(
                f"jquants: {query.path} had the fields {sorted(answer)[:9]}, expected the address of a file by"
                f" {' or '.join(sorted(self._schemes))} in 'url'",
                retryable=True,
            )
        return url

    async def close(self) -> None:
        """Release the connections."""
        await self._wire.close()


def _is_address(url: str, schemes: Collection[str]) -> bool:
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname)
    return False
