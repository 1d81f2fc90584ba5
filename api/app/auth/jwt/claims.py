"""What a verified JWT says, and the bounds that every one keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: Clocks may differ by so much.
LEEWAY_S = 30
#: No JWT lives longer, ours or Supabase's.
MOST_LIFE_S = 24 * 3600
#: Longer ones are not looked at.
MOST_BYTES = 8192
MOST_SUBJECT = 200
#: A shorter HMAC key can be guessed.
LEAST_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Head:
    """The unverified claims of a JWT. They only choose the verifier, and are not trusted."""

    algorithm: str
    key_id: str
    issuer: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified JWT says."""

    subject: str
    issued_at: datetime
    expires_at: datetime
    others: Mapping[str, Any] = field(repr=False)
