"""The form of an API token, `kbm_<id>_<secret>`, and the headers that carry it."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from kaboom.web.auth.ingest_tokens import INGEST_HEADER

TOKEN_PREFIX = "kbm_"  # noqa: S105  the prefix of every token
AUTHORIZATION = b"authorization"
_FORM = re.compile(rb"kbm_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
_BEARER = b"bearer "


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token: its id, which is not secret, its SHA-256, and its text if it is new."""

    token_id: str
    digest: str = field(repr=False)
    text: str = field(default="", repr=False)


def make_api_token() -> ApiToken:
    """Return a new token with a secret of 32 random bytes."""
    token_id = secrets.token_hex(8)
    text = f"{TOKEN_PREFIX}{token_id}_{secrets.token_urlsafe(32)}"
    return ApiToken(token_id, _digest(text.encode()), text)


def parse_api_token(text: bytes) -> ApiToken | None:
    """Return the token in a text; None if the text does not have the form of a token."""
    found = _FORM.fullmatch(text)
    return ApiToken(found[1].decode(), _digest(text)) if found else None


def read_bearer(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the bearer token of the Authorization header; "" without one."""
    value = headers.get(AUTHORIZATION, b"")
    return value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else b""


def read_api_token(headers: Mapping[bytes, bytes]) -> ApiToken | None:
    """Return the API token of a request, from `x-ingest-token` or from a bearer token."""
    return parse_api_token(headers.get(INGEST_HEADER, b"")) or parse_api_token(read_bearer(headers))


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
