"""The claims of a verified JWT, and the limits of all JWTs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: The clocks of issuer and verifier may differ by this much.
LEEWAY_S = 30
#: A JWT with a longer life is rejected, Kaboom's or Supabase's.
MOST_LIFE_S = 24 * 3600
#: Longer tokens are rejected unread.
MOST_BYTES = 8192
MOST_SUBJECT = 200
#: A shorter HMAC key can be guessed.
LEAST_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Head:
    """The unverified header and issuer of a JWT; used only to choose the verifier."""

    algorithm: str
    key_id: str
    issuer: str


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified JWT."""

    subject: str
    issued_at: datetime
    expires_at: datetime
    others: Mapping[str, Any] = field(repr=False)
