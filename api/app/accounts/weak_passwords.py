"""Find passwords that are easily guessed: made of common words, names, sequences and repeats.

NIST SP 800-63B-4 (3.1.1.2) asks for such a list in place of rules about kinds of characters.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files

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
    lines = (files("app.accounts") / "common_passwords.txt").read_text("utf-8").splitlines()
    return frozenset(_CONTEXT).union(*(line.split() for line in lines if not line.startswith("#")))
