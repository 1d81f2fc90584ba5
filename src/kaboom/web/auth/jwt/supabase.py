"""Verify Supabase's JWTs with the project's public keys or its legacy secret."""

from typing import Any
from urllib.parse import urlsplit

from kaboom.errors import ConfigurationError
from kaboom.web.auth.jwt.claims import Claims, Head
from kaboom.web.auth.jwt.key_set import KeySet
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
