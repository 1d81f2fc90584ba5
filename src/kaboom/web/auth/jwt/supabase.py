"""Verify Supabase's JWTs with the project's public keys or its legacy secret."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import orjson

from kaboom.drivers.http.client import HttpClient
from kaboom.errors import ConfigurationError, StoreError
from kaboom.web.auth.jwt.claims import Claims, Head
from kaboom.web.auth.jwt.own import check_key_length
from kaboom.web.auth.principals import DEFAULT_OWNER, OWNER_FORM, Principal
from kaboom.web.auth.scopes import SCOPES, Role

AUDIENCE = "authenticated"
#: The method of Supabase principals.
METHOD = "supabase"
#: The beginning of their subjects.
SUBJECT_PREFIX = "supabase:"
#: Fields of `app_metadata`, which only the project's administrator can write; users can write `user_metadata`.
ROLE_CLAIM, OWNER_CLAIM = "kaboom_role", "kaboom_owner"
_LEGACY = "HS256"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
KEYS_PATH = "/auth/v1/.well-known/jwks.json"
#: The keys are fetched again after this long; a key that the project has withdrawn is then rejected.
FRESH_S = 600.0
#: The project is asked at most once in this time, however many tokens name an unknown key.
PAUSE_S = 60.0
#: While the project is unavailable, its last keys stay valid for this long.
STALE_S = 24 * 3600.0
_ANSWER_S = 5.0
_MOST_BYTES = 64 * 1024


class SupabaseTokens:
    """Verifies the JWTs of one Supabase project."""

    def __init__(self, url: str, *, legacy_secret: str | None = None, anon_key: str | None = None) -> None:
        """Take the project's address, its legacy JWT secret if it still signs with one, and its public API key.

        Raises:
            ConfigurationError: the address is not the address of a project, or the secret is too short.

        """
        self._url = _check_url(url)
        self.issuer = f"{self._url}/auth/v1"
        self._secret = legacy_secret.encode() if legacy_secret else None
        if self._secret is not None:
            check_key_length("SUPABASE_JWT_SECRET", self._secret)
        self._keys = KeySet(self._url, api_key=anon_key or "")

    async def verify(self, token: bytes, head: Head) -> Claims | None:
        """Return the claims of a JWT of the project; None if it is invalid.

        Raises:
            StoreError: the project's keys cannot be fetched.

        """
        from kaboom.web.auth.jwt.codec import verify  # noqa: PLC0415  loaded when the token's head was read

        if head.algorithm == _LEGACY:
            found: tuple[str, Any] | None = (_LEGACY, self._secret) if self._secret is not None else None
        else:
            found = await self._keys.find(head.key_id)
        if found is None or found[0] != head.algorithm:
            return None
        claims = verify(token, found[1], algorithm=found[0], issuer=self.issuer, audience=AUDIENCE)
        return claims if claims and _is_user(claims) else None


def principal_of(claims: Claims) -> Principal:
    """Return the principal of a Supabase user; without a role from the administrator it has no scopes."""
    metadata = claims.others.get("app_metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    role = next((role for role in Role if role == metadata.get(ROLE_CLAIM)), None)
    owner = metadata.get(OWNER_CLAIM, DEFAULT_OWNER)
    if not isinstance(owner, str) or not OWNER_FORM.fullmatch(owner):
        role, owner = None, DEFAULT_OWNER
    email = claims.others.get("email")
    name = email if isinstance(email, str) and email and email.isprintable() else claims.subject
    scopes = SCOPES[role] if role else frozenset()
    return Principal(owner, METHOD, f"{SUBJECT_PREFIX}{claims.subject}", name[:200], scopes, role)


def _is_user(claims: Claims) -> bool:
    """Return whether a JWT is of a user who logged in, not of an anonymous user or a project key."""
    return claims.others.get("role") == AUDIENCE and claims.others.get("is_anonymous", False) is False


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    is_safe = host is not None and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))
    if not is_safe or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise ConfigurationError(
            "SUPABASE_URL was not the address of a project, expected https://<project>.supabase.co"
        )
    return f"{parts.scheme}://{parts.netloc}"


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
