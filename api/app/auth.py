"""Who may call what: the ingest tokens, one of which is asked for before a byte of the body is read."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence

from fastapi.security import APIKeyHeader

from batch.errors import ConfigurationError

INGEST_HEADER = b"x-ingest-token"
#: For OpenAPI's eyes only: the gate has checked the token before a route is looked for.
INGEST_SCHEME = APIKeyHeader(name=INGEST_HEADER.decode(), scheme_name="ingestToken", auto_error=False)
INGEST_PREFIX = "/api/v1/ingest"
SCHEDULES_PREFIX = "/api/v1/schedules"
#: The jobs of all queues, as one list.
JOBS_PREFIX = "/api/v1/jobs"
#: Jobs on the bars that are kept.
MARKET_DATA_PREFIX = "/api/v1/market-data"
#: What is read of the market: bars, what is held of them, and what they are measured by.
MARKET_PREFIXES = tuple(f"/api/v1/{name}" for name in ("bars", "coverage", "symbols", "universe", "calendar"))
_GUARDED = (INGEST_PREFIX, SCHEDULES_PREFIX, JOBS_PREFIX, MARKET_DATA_PREFIX, *MARKET_PREFIXES)
#: Jobs of all queues that it guards belong to whoever holds its token; a rotated token keeps its jobs.
INGEST_OWNER = "ingest"
#: Shorter ones can be guessed; a phrase of words, which would be as many tokens, is caught by it too.
_LEAST_CHARACTERS = 16
#: A rotation needs two. A cursor carries a mark for each, and what it may measure (200) holds four.
_MOST_TOKENS = 4
_VISIBLE = re.compile(r"[\x21-\x7e]+")


def is_guarded_path(path: str) -> bool:
    """Return whether a path needs the ingest token: schedules submit what it may submit, and it may read the bars."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in _GUARDED)


def make_ingest_token() -> str:
    """Return a new token of 32 random bytes."""
    return secrets.token_urlsafe(32)


def parse_ingest_tokens(text: str) -> tuple[str, ...]:
    """Return the tokens of INGEST_API_TOKEN, which holds one or more with white space between; each is good.

    Raises:
        ConfigurationError: there is none, too many, or one that is none; the message does not show it.

    """
    tokens = tuple(text.split())
    if not 1 <= len(tokens) <= _MOST_TOKENS:
        raise ConfigurationError(f"INGEST_API_TOKEN held {len(tokens)} tokens, expected 1 to {_MOST_TOKENS}")
    for place, token in enumerate(tokens, start=1):
        if len(token) < _LEAST_CHARACTERS or not _VISIBLE.fullmatch(token):
            raise ConfigurationError(
                f"INGEST_API_TOKEN: token {place} of {len(tokens)} was not {_LEAST_CHARACTERS} or more visible ASCII"
                " characters (white space parts tokens): `kaboom token new` makes one"
            )
    return tokens


def digest_token(token: bytes) -> bytes:
    """Return what a token is compared by: of one length for all, so that no length shows."""
    return hashlib.sha256(token).digest()


def is_valid_token(given: bytes | None, digests: Sequence[bytes]) -> bool:
    """Compare a header's bytes with every token, in a time that tells nothing of them, nor which one it was."""
    told = digest_token(given or b"")
    # A sum, since `any` would stop at the first that fits.
    return sum([hmac.compare_digest(told, each) for each in digests]) > 0
