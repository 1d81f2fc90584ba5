"""Secrets encrypted for the database: they cannot be read from the database alone."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kaboom.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

#: Letters of a key: 256 random bits in base64.
_LEAST = 32
#: Keeps the key apart from other uses of the same text.
_PURPOSE = b"kaboom notification channels\0"


@dataclass(frozen=True, slots=True)
class Sealer:
    """Encrypts with the first of its keys, and decrypts with any."""

    keys: Sequence[bytes] = field(repr=False)

    def seal(self, text: str) -> bytes:
        """Return a text encrypted and authenticated (Fernet: AES-128-CBC, HMAC-SHA256)."""
        return self._fernet().encrypt(text.encode())

    def unseal(self, sealed: bytes) -> str:
        """Return the text.

        Raises:
            ConfigurationError: the text was encrypted with none of the keys.

        """
        from cryptography.fernet import InvalidToken  # noqa: PLC0415  30 ms, for those who seal only

        try:
            return self._fernet().decrypt(sealed).decode()
        except InvalidToken as e:
            raise ConfigurationError("no key of KABOOM_NOTIFICATION_KEY opens the URL of this channel") from e

    def _fernet(self) -> "MultiFernet":
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415  the same

        return MultiFernet([Fernet(key) for key in self.keys])


def parse_sealer(text: str) -> Sealer | None:
    """Return the sealer of a setting: keys separated by spaces, the newest first; None if there is no key.

    Raises:
        ConfigurationError: a key is too short; the message does not show it.

    """
    parts = text.split()
    for place, part in enumerate(parts, start=1):
        if len(part) < _LEAST:
            message = f"KABOOM_NOTIFICATION_KEY: key {place} had {len(part)} letters, expected at least {_LEAST}"
            raise ConfigurationError(message)
    keys = [base64.urlsafe_b64encode(hashlib.sha256(_PURPOSE + part.encode()).digest()) for part in parts]
    return Sealer(tuple(keys)) if keys else None
