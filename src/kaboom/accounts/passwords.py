"""Normalize passwords and names, compute argon2id hashes in a thread, and refuse passwords that are easily guessed.

NIST SP 800-63B-4 (3.1.1.2) asks for a list of common passwords in place of rules about kinds of characters.
"""

import asyncio
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from kaboom.drivers.lazy import Lazy
from kaboom.errors import InvalidRequest
from kaboom.web.caller_errors import TooManyLogins

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
#: A password of fewer parts is refused. A part is a character, or a common word, name, sequence or repeat.
LEAST_PARTS = 7
_LEAST_RUN = 3
#: The product and its surroundings, which an attacker tries first.
_CONTEXT = ("kaboom", "tse", "jpx", "jquants", "yahoo", "パスワード")
#: Digits and signs that stand for letters.
_LETTERS = str.maketrans("@4310$57!8", "aaeiosstib")
_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz")
_COLUMNS = ("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm")
_YEAR = re.compile("(?:19|20)[0-9]{2}")


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


def is_weak(password: str, names: Iterable[str] = ()) -> bool:
    """Return whether a password has fewer than LEAST_PARTS parts; `names` are those of its user."""
    return count_parts(password, names) < LEAST_PARTS


def count_parts(password: str, names: Iterable[str] = ()) -> int:
    """Return the least number of parts that a password can be made of."""
    text = _fold(password)
    known = _load_words() | {part for name in names for part in _parts_of_name(name)}
    plain = text.translate(_LETTERS)
    most = max(map(len, known))
    least = list(range(len(text) + 1))
    for start in range(len(text)):
        words = range(start + _LEAST_RUN, min(len(text), start + most) + 1)
        ends = [end for end in words if text[start:end] in known or plain[start:end] in known]
        for end in (start + 1, *ends, *_ends_of_runs(text, start)):
            least[end] = min(least[end], least[start] + 1)
    return least[-1]


def _ends_of_runs(text: str, start: int) -> Iterator[int]:
    """Yield where a sequence, a repeat or a year that begins at `start` can end."""
    longest = max(_run_length(text, start), _copy_length(text, start))
    yield from range(start + _LEAST_RUN, start + longest + 1)
    if _YEAR.match(text, start):
        yield start + 4


def _run_length(text: str, start: int) -> int:
    """Return the length of the longest sequence of the alphabet or a keyboard that begins at `start`."""
    return max(_match_length(text, start, row) for row in _sequences())


def _match_length(text: str, start: int, row: str) -> int:
    at = row.find(text[start])
    length = 0
    while at >= 0 and start + length < len(text) and text[start + length] == row[(at + length) % len(row)]:
        length += 1
    return length


def _copy_length(text: str, start: int) -> int:
    """Return the length of the longest text at `start` that began before; both may overlap, as in `aaaa`."""
    longest = 0
    for before in range(start):
        length = 0
        while start + length < len(text) and text[before + length] == text[start + length]:
            length += 1
        longest = max(longest, length)
        if start + longest == len(text):
            break
    return longest


def _parts_of_name(name: str) -> set[str]:
    whole = _fold(name)
    parts = {whole, *re.split(r"[\W_]+", whole)}
    return {part for part in parts if len(part) >= _LEAST_RUN}


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


@cache
def _sequences() -> tuple[str, ...]:
    forward = (*_ROWS, *_COLUMNS)
    return (*forward, *(row[::-1] for row in forward))


@cache
def _load_words() -> frozenset[str]:
    lines = (files("kaboom.accounts") / "common_passwords.txt").read_text("utf-8").splitlines()
    return frozenset(_CONTEXT).union(*(line.split() for line in lines if not line.startswith("#")))
