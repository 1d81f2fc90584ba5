"""Symbols as text: TSE local codes, names in the user's own files, and the codes that a mistyped code may mean."""

import re
import unicodedata
from collections.abc import Collection
from difflib import SequenceMatcher, get_close_matches
from heapq import nlargest
from itertools import takewhile
from operator import eq

from kaboom.errors import InvalidRequest

_LETTER_OR_DIGIT = "[0-9ACDFGHJKLMNPRSTUWXY]"
_LOCAL_CODE = re.compile(rf"([1-9]{_LETTER_OR_DIGIT}[0-9]{_LETTER_OR_DIGIT})([05]?)")
_FOREIGN = re.compile(r"[A-Z0-9^=\-][A-Z0-9.^=\-]{0,19}")
#: The most codes that are named as near.
MOST_NEAR = 3


def parse_symbol(text: str) -> str:
    """Return the TSE local code of a text, such as `"7203"` or `"285A"`.

    Full-width and lower-case letters are accepted. A fifth digit 0 means ordinary shares and is dropped; a fifth digit
    5 means preferred shares and is kept (`"25935"`). Since 2024-01 the second and fourth place may be a letter, except
    B E I O Q V Z (jpx.co.jp/sicc/code-pr).

    Raises:
        InvalidRequest: the text is not a local code.

    """
    if text.startswith("^"):
        raise InvalidRequest(
            f"symbol was {text[:20]!r}, an index, which is not traded; expected a TSE local code such as '7203'",
            pointer="/symbols",
        )
    match = _LOCAL_CODE.fullmatch(normalise_symbol(text))
    if match is None:
        raise InvalidRequest(
            f"symbol was {text[:20]!r}, expected a TSE local code such as '7203' or '285A'",
            pointer="/symbols",
        )
    code, fifth = match.groups()
    return code + fifth if fifth == "5" else code


def is_tse_code(symbol: str) -> bool:
    """Return whether a symbol is a local code of the TSE, as `parse_symbol` returns it."""
    try:
        return parse_symbol(symbol) == symbol
    except InvalidRequest:
        return False


def parse_foreign_symbol(text: str) -> str:
    """Return the symbol of market FILE in a text: 1 to 20 letters, digits, `.`, `-`, `^` or `=`.

    The result is upper case and safe as a file name: without slash, `..` or leading dot.

    Raises:
        InvalidRequest: the text has other characters.

    """
    symbol = normalise_symbol(text)
    if _FOREIGN.fullmatch(symbol) is None or ".." in symbol:
        raise InvalidRequest(
            f"symbol was {text[:20]!r}, expected 1 to 20 letters, digits, '.', '-', '^' or '='",
            pointer="/symbols",
        )
    return symbol


def normalise_symbol(text: str) -> str:
    """Return a text in half-width capitals, without white space around it."""
    return unicodedata.normalize("NFKC", text).strip().upper()


def find_nearest(symbol: str, known: Collection[str], preferred: Collection[str] = ()) -> list[str]:
    """Return the known codes that look most like a code, the likest first; of equals, the preferred ones."""

    def likeness(code: str) -> tuple[float, int, bool]:
        shared = sum(takewhile(bool, map(eq, symbol, code)))
        return SequenceMatcher(None, code, symbol).ratio(), shared, code in preferred

    return nlargest(MOST_NEAR, get_close_matches(symbol, known, n=max(1, len(known))), key=likeness)
