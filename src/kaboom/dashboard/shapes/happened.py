"""What happened to a job, as sentences: lost, broken and waiting runs, pauses, why it was cancelled, odd bars; pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from kaboom.dashboard.shapes.fetch_time import seconds_between

_MOST = 8
_FLAG = "flag_"
#: Log events that may have a reason, and the keys of their texts.
_WHY = {"cancel_asked": "why_cancelled", "job_retried": "why_retried"}


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice: the kind and shape of its mark, the key of its text, and the values of the text."""

    kind: str
    shape: str
    key: str
    values: Mapping[str, Any]


def list_notices(
    chunks: Mapping[str, Any] | None, counts: Mapping[str, int], lines: Sequence[Mapping[str, Any]] = ()
) -> tuple[list[Notice], int]:
    """Return the most serious notices of a job, and how many more there are.

    `counts` are those of its result, and `lines` its log.
    """
    found = [*_of_chunks(chunks["items"] if chunks else ()), *_of_pauses(chunks["pauses"] if chunks else ())]
    found += [*_of_reasons(lines), *_of_bars(counts)]
    found.sort(key=lambda notice: ("bad", "warn", "idle").index(notice.kind))
    return found[:_MOST], max(0, len(found) - _MOST)


def pause_seconds(pauses: Sequence[Mapping[str, Any]]) -> float:
    """Return how long a job was paused in total."""
    return sum(seconds_between(pause["begins_at"], pause["ends_at"]) for pause in pauses)


def _of_chunks(chunks: Sequence[Mapping[str, Any]]) -> Iterator[Notice]:
    for chunk in chunks:
        runs = chunk["runs"]
        if chunk["state"] == "dead":
            values = {"chunk": chunk["n"], "n": chunk["attempts"], "why": chunk["error"]}
            yield Notice("bad", "bad", "given_up", values)
        for run, after in zip_longest(runs, runs[1:]):
            if run["ending"] in {"expired", "broken", "waiting", "failed"}:
                yield _of_run(chunk, run, after)


def _of_run(chunk: Mapping[str, Any], run: Mapping[str, Any], after: Mapping[str, Any] | None) -> Notice:
    key = f"run_{run['ending']}" + ("" if after or run["ending"] == "failed" else "_open")
    values = {"chunk": chunk["n"], "worker": run["worker"], "at": run["ended_at"], "why": run["reason"] or "?"}
    if after:
        values |= {"next_worker": after["worker"], "next_at": after["started_at"]}
        values |= {"settled": after["settled_before"], "items": chunk["items"]}
    return Notice("warn", "warn", key, values)


def _of_pauses(pauses: Sequence[Mapping[str, Any]]) -> Iterator[Notice]:
    if pauses:
        reasons = Counter(pause["reason"] for pause in pauses)
        values = {"n": len(pauses), "seconds": pause_seconds(pauses), "at": pauses[0]["begins_at"]}
        yield Notice("warn", "warn", "pauses", values | {"why": reasons.most_common(1)[0][0]})


def _of_reasons(lines: Sequence[Mapping[str, Any]]) -> Iterator[Notice]:
    for line in lines:
        if line["event"] in _WHY and (why := line["fields"].get("reason")):
            yield Notice("idle", "note", _WHY[line["event"]], {"at": line["at"], "why": why})


def _of_bars(counts: Mapping[str, int]) -> Iterator[Notice]:
    flags = {name.removeprefix(_FLAG): n for name, n in counts.items() if name.startswith(_FLAG) and n}
    if flags:
        named = sorted(flags.items(), key=lambda each: -each[1])
        yield Notice("idle", "note", "flagged", {"n": sum(flags.values()), "flags": named})
    if corrected := counts.get("corrected", 0):
        yield Notice("idle", "note", "corrected", {"n": corrected})
