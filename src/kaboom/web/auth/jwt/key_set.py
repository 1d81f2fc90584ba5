"""The public keys of a Supabase project, fetched from one pinned address."""

import asyncio
import time
from collections.abc import Callable

import orjson

from kaboom.drivers.http.client import HttpClient
from kaboom.errors import StoreError

KEYS_PATH = "/auth/v1/.well-known/jwks.json"
#: The keys are fetched again after this long; a key that the project has withdrawn is then rejected.
FRESH_S = 600.0
#: The project is asked at most once in this time, however many tokens name an unknown key.
PAUSE_S = 60.0
#: While the project is unavailable, its last keys stay valid for this long.
STALE_S = 24 * 3600.0
_ANSWER_S = 5.0
_MOST_BYTES = 64 * 1024


class KeySet:
    """The keys by `kid`; concurrent callers share one request."""

    def __init__(self, url: str, *, api_key: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        # The gateway of a self-hosted project may require its API key for this path, too.
        self._headers = {"Accept": "application/json"} | ({"apikey": api_key} if api_key else {})
        self._http = HttpClient(url, timeout_s=_ANSWER_S, max_bytes=_MOST_BYTES, connections=1)
        self._clock = clock
        self._keys: dict[str, tuple[str, object]] = {}
        self._read_at = self._asked_at = float("-inf")
        self._failure = "no key was fetched yet"
        self._lock = asyncio.Lock()

    async def find(self, key_id: str) -> tuple[str, object] | None:
        """Return the algorithm and the key of a `kid`; None if the project has no such key.

        Raises:
            StoreError: the keys cannot be fetched, and the keys of the last day do not include this one.

        """
        if key_id not in self._keys or self._clock() - self._read_at > FRESH_S:
            async with self._lock:
                if self._may_ask(key_id):
                    await self._fetch()
        if self._clock() - self._read_at > STALE_S:
            self._keys = {}
        found = self._keys.get(key_id)
        if found is None and self._failure:
            raise StoreError(f"the keys of SUPABASE_URL could not be fetched: {self._failure}")
        return found

    def _may_ask(self, key_id: str) -> bool:
        is_due = key_id not in self._keys or self._clock() - self._read_at > FRESH_S
        return is_due and self._clock() - self._asked_at >= PAUSE_S

    async def _fetch(self) -> None:
        from kaboom.web.auth.jwt.codec import parse_key_set  # noqa: PLC0415  loaded when the token's head was read

        self._asked_at = self._clock()
        reply = await self._http.get(KEYS_PATH, params={}, headers=self._headers)
        if reply.status != 200:
            self._failure = reply.failure or f"it answered {reply.status}"
            return
        try:
            self._keys = dict(parse_key_set(orjson.loads(reply.body)))
        except ValueError:
            self._failure = "its answer was not JSON"
            return
        self._read_at, self._failure = self._clock(), ""
