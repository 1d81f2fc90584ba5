"""Parsing InfluxDB's responses: pauses, refusals and results of all versions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

_LONGEST = 300
_DROPPED = re.compile(r"\bdropped=(\d{1,9})\b")


@dataclass(frozen=True, slots=True)
class ResultSeries:
    """One series of a result: its measurement, the tags it was grouped by, and its rows."""

    name: str
    tags: Mapping[str, str]
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a server refused lines: a sentence, and from some servers a reason by line number, from 1."""

    reason: str
    by_line: Mapping[int, str]

    @property
    def dropped(self) -> int | None:
        """The lines that the server says it has dropped; v1 counts those of the first shard that refused any."""
        found = _DROPPED.search(self.reason)
        return int(found[1]) if found else None


class QueryRefused(ValueError):
    """The server answered a query with an error, or with a partial result."""


def parse_results(body: bytes, statements: int) -> list[list[ResultSeries]]:
    """Return the series of each statement of an InfluxQL query, from a chunked response.

    Each chunk is a line of JSON; a long series comes in several chunks, which are not joined.

    Raises:
        QueryRefused: a statement failed, a result was cut off, or the body is not a result.

    """
    found: list[list[ResultSeries]] = [[] for _ in range(statements)]
    is_whole = [False] * statements
    lines = body.splitlines() or [b""]
    for line in lines:
        chunk = _load(line)
        if not isinstance(chunk, dict) or "results" not in chunk:
            raise QueryRefused(error_text(line) or "the answer was not an InfluxQL result")
        for result in chunk["results"]:
            n = result.get("statement_id", 0)
            if n not in range(statements):
                raise QueryRefused(f"the answer had a result number {n}, expected 0 to {statements - 1}")
            found[n] += _parse_result(result)
            is_whole[n] = not (result.get("partial") or any(s.get("partial") for s in result.get("series") or []))
    if not all(is_whole):
        raise QueryRefused("the result was cut off")
    return found


def error_text(body: bytes) -> str:
    """Return the message of an error body: v2's `message`, v1's and v3's `error`, or the text itself."""
    answer = _load(body)
    if isinstance(answer, dict):
        text = answer.get("message") or answer.get("error") or ""
    else:
        text = body[: 4 * _LONGEST].decode(errors="replace")
    flat = " ".join(str(text).split())
    return flat if len(flat) <= _LONGEST else flat[:_LONGEST] + "…"


def parse_refusal(body: bytes) -> Refusal:
    """Return why a write was refused; v3 lists some of the lines, the others give only a reason."""
    answer = _load(body)
    listed = answer.get("data") if isinstance(answer, dict) else None
    by_line = {
        int(entry["line_number"]): str(entry.get("error_message", ""))[:_LONGEST]
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, dict) and str(entry.get("line_number", "")).isdigit()
    }
    return Refusal(error_text(body) or "the server gave no reason", by_line)


def _load(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _parse_result(result: Mapping[str, Any]) -> list[ResultSeries]:
    if "error" in result:
        raise QueryRefused(str(result["error"])[:_LONGEST])
    return [
        ResultSeries(s.get("name", ""), s.get("tags") or {}, s["columns"], s.get("values") or [])
        for s in result.get("series") or []
    ]
