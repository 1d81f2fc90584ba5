"""Server-sent events, read line by line."""

from collections.abc import Iterable, Iterator


def parse_events(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the id and the data of each server-sent event that has both, from lines of text."""
    event: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name in {"id", "data"}:
            event[name] = value.removeprefix(" ")
        if not line and len(event) == 2:
            yield event["id"], event["data"]
        if not line:
            event = {}
