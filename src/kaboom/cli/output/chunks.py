"""The chunks of a job with their runs, in a table."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from kaboom.cli.output.text import add_row, new_table, to_jst
from kaboom.text.speaker import Speaker

_COLUMNS = ("chunk", "run", "worker", "slot", "from (JST)", "to (JST)", "ending", "settled", "failed", "reason")
_NUMBERS = frozenset({"chunk", "run", "slot", "settled", "failed"})


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
