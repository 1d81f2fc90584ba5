"""The chunks of a job with their runs, in a table; and the lines of its log."""

from collections.abc import Iterator
from typing import Any

import orjson
from rich.table import Table

from kaboom.cli.client import ApiClient
from kaboom.cli.output.text import add_row, new_table, to_jst, to_jst_line
from kaboom.cli.session import Session
from kaboom.text.speaker import Speaker

_COLUMNS = ("chunk", "run", "worker", "slot", "from (JST)", "to (JST)", "ending", "settled", "failed", "reason")
_NUMBERS = frozenset({"chunk", "run", "slot", "settled", "failed"})
_PAGE = 500


def chunk_table(words: Speaker, page: dict[str, Any]) -> Table:
    """Return one line for each run, and one for each chunk that has not run yet."""
    table = new_table(words, *_COLUMNS, right=_NUMBERS)
    for chunk in page["items"]:
        for run in chunk["runs"] or [None]:
            add_row(table, chunk["n"], *_cells(words, chunk, run))
    return table


def describe_pauses(words: Speaker, page: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each pause."""
    for pause in page["pauses"]:
        begins, ends = (to_jst(pause[name], "seconds") for name in ("begins_at", "ends_at"))
        reason = words.detail(pause["reason"])
        yield words.say(
            "paused {begins} to {ends} JST: {reason}", begins=begins, ends=ends.partition(" ")[2], reason=reason
        )


def _cells(words: Speaker, chunk: dict[str, Any], run: dict[str, Any] | None) -> list[str]:
    if run is None:
        return ["", "", "", "", "", words.coded("chunk", chunk["state"]), "", "", words.detail(chunk["error"])]
    times = [to_jst(run[name], "seconds").partition(" ")[2] for name in ("started_at", "ended_at")]
    ending = words.coded("chunk", run["ending"] or "running")
    counts = [f"{run['settled']:,}", f"{run['failed']:,}"]
    return [
        str(run["run"]),
        run["worker"],
        str(run["slot"] or ""),
        *times,
        ending,
        *counts,
        words.detail(run["reason"]),
    ]


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
