"""The codes that a mistyped code may mean."""

from collections.abc import Collection
from difflib import SequenceMatcher, get_close_matches
from heapq import nlargest
from itertools import takewhile
from operator import eq

#: The most codes that are named as near.
MOST_NEAR = 3


def find_nearest(symbol: str, known: Collection[str], preferred: Collection[str] = ()) -> list[str]:
    """Return the known codes that look most like a code, the likest first; of equals, the preferred ones."""

    def likeness(code: str) -> tuple[float, int, bool]:
        shared = sum(takewhile(bool, map(eq, symbol, code)))
        return SequenceMatcher(None, code, symbol).ratio(), shared, code in preferred

    return nlargest(MOST_NEAR, get_close_matches(symbol, known, n=max(1, len(known))), key=likeness)
