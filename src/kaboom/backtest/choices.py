"""Parse values that users type: numbers, words, and lists such as `5,10,20` or `20:100:10`."""

from typing import Any

from kaboom.errors import InvalidRequest

#: The most values in a list; a request does not allow more.
MOST_VALUES = 10_000


def parse_value(text: str) -> Any:
    """Return a text as a JSON value: a number, true or false, else the text itself."""
    if text in {"true", "false"}:
        return text == "true"
    for kind in (int, float):
        try:
            found = kind(text)
        except ValueError:
            continue
        # JSON has no infinity, and many JSON parsers do not read larger integers exactly.
        return found if abs(found) <= (2**53 if kind is int else 1e300) else text
    return text


def parse_values(text: str) -> list[Any]:
    """Return the values of a list: `5,10,20`, or `20:100:10` (first, last, step; both ends included).

    Raises:
        InvalidRequest: a range has more than MOST_VALUES values.

    """
    parts = text.split(":")
    if len(parts) == 3 and all(part.strip().removeprefix("-").isdecimal() for part in parts) and len(text) < 40:
        first, last, step = map(int, parts)
        if step > 0:
            if (last - first) // step >= MOST_VALUES:
                raise InvalidRequest(f"the list {text} had more than {MOST_VALUES} values, expected at most so many")
            return list(range(first, last + 1, step))
    return [parse_value(part.strip()) for part in text.split(",")]
