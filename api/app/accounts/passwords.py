"""Normalize passwords and names, and compute argon2id hashes in a thread."""

import asyncio
import re
import unicodedata
from typing import TYPE_CHECKING

from app.accounts.weak_passwords import is_weak
from app.caller_errors import TooManyLogins
from batch.errors import InvalidRequest
from batch.kit.lazy import Lazy

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST_CHARACTERS, MOST_CHARACTERS = 12, 256
MOST_NAME = 100
_NAME = re.compile(r"[\w.@+-]{1,100}")
#: OWASP's minimum for argon2id: 19 MiB, 2 passes, 1 lane. Two hashes at once take 38 MiB.
_MEMORY_KIB, _PASSES, _LANES = 19 * 1024, 2, 1
_AT_ONCE = 2
#: The most logins that hash or wait for a hash; further logins get 429.
_MOST_WAITING = 32


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self) -> None:
        self._hasher = Lazy(_load_hasher)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        #: The hash that a password is compared with if the name is unknown, so that the answer takes as long.
        self._nobody = ""

    async def hash(self, password: str, *, name: str = "", pointer: str = "/password") -> str:
        """Return the hash of a new password of the user with this name; `pointer` is its place in the request.

        Raises:
            InvalidRequest: the password is too short or too long, or easily guessed.

        """
        if not LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
            raise InvalidRequest(
                f"the password had {len(password)} characters, expected {LEAST_CHARACTERS} to {MOST_CHARACTERS}",
                pointer=pointer,
            )
        if await asyncio.to_thread(is_weak, password, [name]):
            raise InvalidRequest(
                "the password was easy to guess: it was mostly common words, repeats, sequences or the user's name",
                pointer=pointer,
            )
        hasher = await self._hasher.get()
        return await asyncio.to_thread(hasher.hash, normalize_password(password))

    async def verify(self, password: str, kept: str | None) -> bool:
        """Return whether a password matches a hash; without a hash return False after the same time.

        Raises:
            TooManyLogins: too many passwords are being verified.

        """
        if self._waiting >= _MOST_WAITING:
            raise TooManyLogins("too many logins at once", retry_after_s=2)
        self._waiting += 1
        try:
            async with self._turns:
                hasher = await self._hasher.get()
                self._nobody = self._nobody or await asyncio.to_thread(hasher.hash, "nobody has this password")
                given = normalize_password(password[: MOST_CHARACTERS + 1])
                known = self._nobody if kept is None else kept
                return await asyncio.to_thread(_matches, hasher, known, given) and kept is not None
        finally:
            self._waiting -= 1


def normalize_password(password: str) -> str:
    """Return a password in NFKC form, so that the same characters from any keyboard give the same hash."""
    return unicodedata.normalize("NFKC", password)


def normalize_name(name: str) -> str:
    """Return a user's name as it is stored and compared.

    Raises:
        InvalidRequest: the name is empty or too long, or has characters other than letters, digits and `.@+-_`.

    """
    normal = unicodedata.normalize("NFKC", name).casefold()
    if not _NAME.fullmatch(normal):
        raise InvalidRequest(
            f"name was {name[:MOST_NAME]!r}, expected 1 to {MOST_NAME} letters, digits and .@+-_", pointer="/name"
        )
    return normal


def _matches(hasher: "PasswordHasher", kept: str, password: str) -> bool:
    from argon2.exceptions import Argon2Error, InvalidHashError  # noqa: PLC0415  loaded with the hasher

    try:
        return hasher.verify(kept, password)
    except (Argon2Error, InvalidHashError):
        return False


def _load_hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # noqa: PLC0415  10 ms and 2 MB, with the first login

    return PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=_LANES)
