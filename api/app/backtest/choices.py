"""Values that people type: numbers, words, and lists of them such as `5,10,20` or `20:100:10`."""

from typing import Any

from batch.errors import InvalidRequest

#: The most values that a list may have; a request allows no more.
MOST_VALUES = 10_000


def parse_value(text: str) -> Any:
    """Return a value as JSON has it: a number, true or false, else the text."""
    if text in {"true", "false"}:
        return text == "true"
    for kind in (int, float):
        try:
            found = kind(text)
        except ValueError:
            continue
        # JSON has no infinity, and no integers that are larger.
        return found if abs(found) <= (2**53 if kind is int else 1e300) else text
    return text


def parse_values(text: str) -> list[Any]:
    """Return the values of `5,10,20`, or of `20:100:10` (from, to, step; both included).

    Raises:
        InvalidRequest: there are too many.

    """
    parts = text.split(":")
    if len(parts) == 3 and all(part.strip().removeprefix("-").isdecimal() for part in parts) and len(text) < 40:
        first, last, step = map(int, parts)
        if step > 0:
            if (last - first) // step >= MOST_VALUES:
                raise InvalidRequest(f"the list {text} had more than {MOST_VALUES} values, expected at most so many")
            return list(range(first, last + 1, step))
    return [parse_value(part.strip()) for part in text.split(",")]
