"""A job's log on the command line."""

from collections.abc import Iterator
from typing import Any

import orjson

from kaboom.cli.client import ApiClient
from kaboom.cli.output.text import to_jst_line
from kaboom.cli.session import Session

_PAGE = 500


def read_lines(client: ApiClient, path: str, level: str, q: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a level or above that are in a log now, with the words of `q`."""
    params: dict[str, Any] = {"level": level, "limit": _PAGE} | ({"q": q} if q else {})
    has_more = True
    while has_more:
        page = client.call("GET", path, params=params)
        yield from page["items"]
        has_more, params["after"] = page["has_more"], page["after"]


def follow_lines(client: ApiClient, path: str, level: str, q: str) -> Iterator[dict[str, Any]]:
    """Yield the same lines until the job has ended."""
    for event_id, line in client.events(path, level=level, **({"q": q} if q else {})):
        yield {"id": event_id} | line


def print_line(session: Session, line: dict[str, Any]) -> None:
    """Print a line to stdout at once; its time is JST."""
    if session.is_json:
        session.write_json(orjson.dumps(line))
    else:
        at = to_jst_line(line["at"], "milliseconds")
        fields = " ".join(f"{name}={_show(value)}" for name, value in line["fields"].items())
        text = f"{at}  {line['level']:<7}  {line['event']:<18}  {fields}"
        session.show(text.rstrip())


def _show(value: object) -> str:
    is_word = not isinstance(value, str) or (value.isprintable() and " " not in value and value)
    return str(value) if is_word else orjson.dumps(value).decode()
