"""The secret keys that all API processes share: in the ledger, sealed with the tokens of INGEST_API_TOKEN."""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Sequence

import structlog

from kaboom.drivers.encryption import Sealer
from kaboom.errors import ConfigurationError, StoreError
from kaboom.jobs.postgres.port import JobHistory

_KEY_BYTES, _SALT_BYTES = 32, 16
#: Earlier releases kept keys in clear under the bare names; backups hold those, so they are never used again.
_SUFFIX = " (sealed)"
_log = structlog.get_logger(__name__)


class SharedKeys:
    """Loads keys of the ledger, and makes those that are missing or that no token opens.

    A key is sealed once for each token, newest first. So a process that has one of the tokens of a rotation opens what
    a process with the other one sealed.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tuple(tokens)
        self._history: JobHistory | None = None

    def open(self, history: JobHistory) -> None:
        """Start to use the ledger."""
        self._history = history

    async def load(self, name: str) -> bytes:
        """Return the key with a name, 32 random bytes; all processes that share a ledger and a token get the same.

        Raises:
            StoreError: the ledger is unavailable.

        """
        if self._history is None:
            raise StoreError("the ledger is not open yet")
        while True:
            kept = await self._history.load_api_key(name + _SUFFIX)
            key, is_current = await asyncio.to_thread(self._unseal, kept) if kept else (None, False)
            if key and is_current:
                return key
            if kept and key is None:
                _log.warning("shared_key_replaced", name=name, reason="no token of INGEST_API_TOKEN opens it")
            key = key or secrets.token_bytes(_KEY_BYTES)
            # If another process was faster, its key is read.
            if await self._history.replace_api_key(name + _SUFFIX, kept, await asyncio.to_thread(self._seal, key)):
                return key

    def _seal(self, key: bytes) -> bytes:
        salt = secrets.token_bytes(_SALT_BYTES)
        return salt + b" ".join(sealer.seal(key.hex()) for sealer in self._sealers(salt))

    def _unseal(self, kept: bytes) -> tuple[bytes | None, bool]:
        """Return the key, if any token opens it, and whether its last copies are those of our tokens.

        Copies before ours are of newer tokens, which a process of a rotation's next step has. Copies after ours are of
        revoked tokens.
        """
        salt, copies = kept[:_SALT_BYTES], kept[_SALT_BYTES:].split()
        sealers = self._sealers(salt)
        opened = next((key for sealer in sealers for copy in copies if (key := _open(sealer, copy))), None)
        last = copies[-len(sealers) :]
        are_ours = len(last) == len(sealers) and all(map(_open, sealers, last))
        return opened, are_ours

    def _sealers(self, salt: bytes) -> list[Sealer]:
        return [Sealer((base64.urlsafe_b64encode(_stretch(token, salt)),)) for token in self._tokens]


def _stretch(token: str, salt: bytes) -> bytes:
    # Slow (10 ms, 4 MB): a copy of the database must not help to guess a token that a person chose.
    return hashlib.scrypt(token.encode(), salt=salt, n=2**12, r=8, p=1, dklen=32)


def _open(sealer: Sealer, copy: bytes) -> bytes | None:
    try:
        return bytes.fromhex(sealer.unseal(copy))
    except (ConfigurationError, ValueError):
        return None
