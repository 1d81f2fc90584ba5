"""Who may call what: the ingest token, checked before a byte of the body is read."""

import hmac

from fastapi.security import APIKeyHeader

INGEST_HEADER = b"x-ingest-token"
#: For OpenAPI's eyes only: the gate has checked the token before a route is looked for.
INGEST_SCHEME = APIKeyHeader(name=INGEST_HEADER.decode(), scheme_name="ingestToken", auto_error=False)
INGEST_PREFIX = "/api/v1/ingest"
SCHEDULES_PREFIX = "/api/v1/schedules"
#: Jobs on the bars that are kept.
MARKET_DATA_PREFIX = "/api/v1/market-data"
#: What is read of the market: bars, what is held of them, and what they are measured by.
MARKET_PREFIXES = tuple(f"/api/v1/{name}" for name in ("bars", "coverage", "symbols", "universe", "calendar"))
_GUARDED = (INGEST_PREFIX, SCHEDULES_PREFIX, MARKET_DATA_PREFIX, *MARKET_PREFIXES)
#: Jobs of all queues that it guards belong to whoever holds its token; a rotated token keeps its jobs.
INGEST_OWNER = "ingest"


def jobs_path(queue: str) -> str:
    """Return where the jobs of a queue are."""
    return f"/api/v1/{queue.replace('_', '-')}/jobs"


def is_guarded_path(path: str) -> bool:
    """Return whether a path needs the ingest token: schedules submit what it may submit, and it may read the bars."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in _GUARDED)


def is_valid_token(given: bytes | None, expected: str) -> bool:
    """Compare a header's bytes with the token, in a time that tells nothing of it; any byte may be in a header."""
    return given is not None and hmac.compare_digest(given, expected.encode())
