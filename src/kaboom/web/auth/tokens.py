"""Tokens in headers: those of INGEST_API_TOKEN, in `x-ingest-token`, and API tokens, `kbm_<id>_<secret>`."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kaboom.errors import ConfigurationError
from kaboom.web.auth.principals import DEFAULT_OWNER, Principal
from kaboom.web.auth.scopes import SCOPES, Role

INGEST_HEADER = b"x-ingest-token"
#: Shorter tokens can be guessed. This also rejects a passphrase, whose words would be read as several tokens.
_MIN_CHARACTERS = 16
#: A rotation needs two.
_MAX_TOKENS = 4
_MARK_BYTES = 16
_VISIBLE = re.compile(r"[\x21-\x7e]+")
TOKEN_PREFIX = "kbm_"  # noqa: S105  the prefix of every token
AUTHORIZATION = b"authorization"
_FORM = re.compile(rb"kbm_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
_BEARER = b"bearer "


class IngestTokens:
    """Authenticates requests by INGEST_API_TOKEN; several tokens are valid at once during a rotation."""

    def __init__(self, tokens: Sequence[str], *, owner: str = DEFAULT_OWNER) -> None:
        """Accept any of the tokens. All stand for the same principal, an admin, who keeps its jobs after a rotation."""
        self._digests = tuple(_digest(token.encode()) for token in tokens)
        self._principal = Principal(
            owner, method="ingest_token", subject="ingest_token", name="INGEST_API_TOKEN", scopes=SCOPES[Role.ADMIN]
        )

    async def authenticate(self, headers: Mapping[bytes, bytes], *, known_only: bool = False) -> Principal | None:
        return self.find(headers.get(INGEST_HEADER, b""))

    def find(self, token: bytes) -> Principal | None:
        """Return the principal of a token; None if the token is invalid."""
        given = _digest(token)
        # `any` would stop at the first match, and its time would reveal which token matched.
        is_valid = sum([hmac.compare_digest(given, each) for each in self._digests]) > 0
        return self._principal if is_valid else None

    def mark_of(self, token: bytes) -> str:
        """Return the mark that names a valid token in its sessions and JWTs: the first bytes of its digest."""
        return _digest(token)[:_MARK_BYTES].hex()

    def find_marked(self, mark: str) -> Principal | None:
        """Return the principal of the token with a mark; None if no valid token has it."""
        is_valid = any(mark == digest[:_MARK_BYTES].hex() for digest in self._digests)
        return self._principal if is_valid else None


def make_ingest_token() -> str:
    """Return a new token of 32 random bytes."""
    return secrets.token_urlsafe(32)


def parse_ingest_tokens(text: str) -> tuple[str, ...]:
    """Return the tokens of INGEST_API_TOKEN, which are separated by white space.

    Raises:
        ConfigurationError: there is no token, there are too many, or one is invalid. The message shows no token.

    """
    tokens = tuple(text.split())
    if not 1 <= len(tokens) <= _MAX_TOKENS:
        raise ConfigurationError(f"INGEST_API_TOKEN held {len(tokens)} tokens, expected 1 to {_MAX_TOKENS}")
    for place, token in enumerate(tokens, start=1):
        if len(token) < _MIN_CHARACTERS or not _VISIBLE.fullmatch(token):
            raise ConfigurationError(
                f"INGEST_API_TOKEN: token {place} of {len(tokens)} was not {_MIN_CHARACTERS} or more visible ASCII"
                " characters (white space separates tokens): `kaboom token new` makes one"
            )
    return tokens


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
    return ApiToken(token_id, _digest(text.encode()).hex(), text)


def parse_api_token(text: bytes) -> ApiToken | None:
    """Return the token in a text; None if the text does not have the form of a token."""
    found = _FORM.fullmatch(text)
    return ApiToken(found[1].decode(), _digest(text).hex()) if found else None


def read_bearer(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the bearer token of the Authorization header; "" without one."""
    value = headers.get(AUTHORIZATION, b"")
    return value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else b""


def read_api_token(headers: Mapping[bytes, bytes]) -> ApiToken | None:
    """Return the API token of a request, from `x-ingest-token` or from a bearer token."""
    return parse_api_token(headers.get(INGEST_HEADER, b"")) or parse_api_token(read_bearer(headers))


def _digest(token: bytes) -> bytes:
    # All digests have the same length, so the comparison does not reveal a token's length.
    return hashlib.sha256(token).digest()
