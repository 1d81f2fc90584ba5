"""Kaboom's own JWTs, which a login returns; they use HS256, and two keys are valid during a rotation."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from kaboom.errors import ConfigurationError
from kaboom.web.auth.jwt.claims import LEAST_KEY_BYTES, Claims, Head

ISSUER = AUDIENCE = "kaboom"
#: How long a login by JWT lasts.
LIFE = timedelta(hours=12)
_ALGORITHM = "HS256"
_MOST_KEYS = 2


class OwnTokens:
    """Signs JWTs with the first key, and verifies them with all keys."""

    def __init__(self, load_keys: Callable[[], Awaitable[Sequence[bytes]]]) -> None:
        """Take the function that loads the keys; it is called once, for the first JWT."""
        self._load_keys = load_keys
        self._keys: dict[str, bytes] = {}

    async def issue(self, subject: str, now: datetime) -> tuple[str, datetime]:
        """Return a JWT of a subject, and its expiry time.

        Raises:
            StoreError: the keys cannot be read.

        """
        from kaboom.web.auth.jwt.codec import sign  # noqa: PLC0415  60 ms and 12 MB, with the first JWT

        key_id, key = next(iter((await self._find_keys()).items()))
        expires_at = now + LIFE
        times = {"iat": now.timestamp(), "exp": int(expires_at.timestamp())}
        return sign({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, **times}, key, key_id=key_id), expires_at

    async def verify(self, token: bytes, head: Head) -> Claims | None:
        """Return the claims of a JWT that Kaboom issued; None if it is invalid.

        Raises:
            StoreError: the keys cannot be read.

        """
        from kaboom.web.auth.jwt.codec import verify  # noqa: PLC0415  as above

        key = (await self._find_keys()).get(head.key_id)
        if key is None or head.algorithm != _ALGORITHM:
            return None
        return verify(token, key, algorithm=_ALGORITHM, issuer=ISSUER, audience=AUDIENCE)

    async def _find_keys(self) -> dict[str, bytes]:
        if not self._keys:
            self._keys = {_key_id(key): key for key in await self._load_keys()}
        return self._keys


def parse_jwt_keys(text: str) -> tuple[bytes, ...]:
    """Return the keys of JWT_SECRET_KEY, which are separated by white space.

    Raises:
        ConfigurationError: there is no key, there are too many, or one is too short. The message shows no key.

    """
    keys = tuple(text.encode().split())
    if not 1 <= len(keys) <= _MOST_KEYS:
        raise ConfigurationError(f"JWT_SECRET_KEY held {len(keys)} keys, expected 1 or {_MOST_KEYS}")
    for key in keys:
        check_key_length("JWT_SECRET_KEY", key)
    return keys


def check_key_length(setting: str, key: bytes) -> None:
    """Reject a key that is short enough to be guessed.

    Raises:
        ConfigurationError: the key is shorter than 32 bytes.

    """
    if len(key) < LEAST_KEY_BYTES:
        raise ConfigurationError(
            f"{setting} held a key of {len(key)} bytes, expected {LEAST_KEY_BYTES} or more:"
            " `kaboom token new` makes one"
        )


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"kaboom jwt key " + key).hexdigest()[:16]
