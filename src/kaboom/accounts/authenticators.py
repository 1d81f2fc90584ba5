"""Authenticate requests by an API token, a JWT or a session cookie; `IngestTokens` checks INGEST_API_TOKEN."""

from collections.abc import Mapping
from datetime import datetime
from types import ModuleType

from kaboom.accounts.directory import Directory
from kaboom.drivers.lazy import Lazy
from kaboom.web.auth.cookies import read_session_value
from kaboom.web.auth.jwt.own import ISSUER, OwnTokens
from kaboom.web.auth.jwt.supabase import SupabaseTokens, principal_of
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.tokens import TOKEN_PREFIX, read_api_token, read_bearer


class TokenAuthenticator:
    """Authenticates requests by an API token."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def authenticate(self, headers: Mapping[bytes, bytes], *, known_only: bool = False) -> Principal | None:
        token = read_api_token(headers)
        return await self._directory.find_by_token(token, known_only=known_only) if token else None


class JwtAuthenticator:
    """Authenticates requests by a JWT: Kaboom's own, or one of the configured Supabase project."""

    def __init__(self, directory: Directory, own: OwnTokens, supabase: SupabaseTokens | None) -> None:
        self._directory = directory
        self._own = own
        self._supabase = supabase
        self._codec = Lazy(_load_codec)

    async def authenticate(self, headers: Mapping[bytes, bytes], *, known_only: bool = False) -> Principal | None:
        # `known_only` is not needed: the signature is verified before any record is looked up.
        token = read_bearer(headers)
        if not token or token.startswith(TOKEN_PREFIX.encode()):
            return None
        head = (await self._codec.get()).read_head(token)
        if head is None:
            return None
        if head.issuer == ISSUER:
            claims = await self._own.verify(token, head)
            return await self._directory.find_by_login(claims.subject, claims.issued_at) if claims else None
        found = await self.find_supabase(token)
        return found[0] if found else None

    async def find_supabase(self, token: bytes) -> tuple[Principal, datetime] | None:
        """Return the principal of a Supabase JWT and its expiry; None if it is invalid, or its user has signed out.

        Raises:
            StoreError: the project's keys cannot be fetched, or sign-outs cannot be read.

        """
        head = (await self._codec.get()).read_head(token)
        if self._supabase is None or head is None or head.issuer != self._supabase.issuer:
            return None
        claims = await self._supabase.verify(token, head)
        if claims is None:
            return None
        principal = await self._directory.unless_signed_out(principal_of(claims), claims.issued_at)
        return (principal, claims.expires_at) if principal else None


class SessionAuthenticator:
    """Authenticates requests of browsers by the cookie of a session; the gate checks CSRF."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def authenticate(self, headers: Mapping[bytes, bytes], *, known_only: bool = False) -> Principal | None:
        value = read_session_value(headers)
        return await self._directory.find_by_session(value, known_only=known_only) if value else None


def _load_codec() -> ModuleType:
    from kaboom.web.auth.jwt import codec  # noqa: PLC0415  PyJWT and cryptography cost 60 ms and 12 MB

    return codec
