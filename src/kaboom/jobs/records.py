"""Convert jobs and chunks to the text fields of a Redis hash, and back.

What is not JSON, for example because a key is not a text, raises TypeError.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from kaboom.drivers.clock import from_ms, to_ms
from kaboom.jobs.model import COUNTS, Chunk, ChunkState, Job, JobStatus, Tally
from kaboom.jobs.runs import ChunkRun

#: The fields of a chunk, each followed by its number, that a reader needs.
CHUNK_FIELDS = ("spec", "state", "tally", "attempts", "error", "runs")
#: The fields of a job that tell its state, and those that every script counts in.
STATE_FIELDS = ("status", "version", "attempt", *COUNTS)
_TIMES = ("requested_at", "started_at", "completed_at", "updated_at", "paused_until")
_TEXTS = ("job_id", "queue", "task", "owner", "parent_id", "lost_item")


def dump_json(value: object) -> str:
    """Return compact JSON text."""
    return orjson.dumps(value).decode()


def as_stored(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object as it comes back from a store."""
    stored: dict[str, Any] = orjson.loads(orjson.dumps(dict(value)))
    return stored


def dump_job(job: Job) -> dict[str, str]:
    """Return the fields of a new record."""
    record = {name: text for name in _TEXTS if (text := getattr(job, name)) is not None}
    record["status"] = job.status.value
    record["attempt"] = str(job.attempt)
    record["request"] = dump_json(dict(job.request))
    for name in ("plan", "result"):
        if (value := getattr(job, name)) is not None:
            record[name] = dump_json(dict(value))
    record |= {name: str(to_ms(at)) for name in _TIMES if (at := getattr(job, name)) is not None}
    return record


def parse_job(record: Mapping[str, str]) -> Job:
    """Return the job that a hash holds.

    Raises:
        KeyError, OverflowError, TypeError, ValueError: a value is damaged.

    """
    values: dict[str, Any] = {name: record.get(name) for name in _TEXTS}
    values["lost_item"] = record.get("lost_item", "lost")
    values |= {name: int(record.get(name, 0)) for name in COUNTS}
    values |= {name: from_ms(record[name]) for name in _TIMES if name in record}
    values |= {name: _parse_object(record[name]) for name in ("request", "plan", "result", "error") if record.get(name)}
    return Job(
        **values,
        status=JobStatus(record["status"]),
        attempt=int(record.get("attempt", 1)),
        version=int(record.get("version", 0)),
        rate=float(record["rate"]) if "rate" in record else None,
        rate_spread=float(record["rate_spread"]) if "rate_spread" in record else None,
        pause_reason=record.get("pause_reason"),
        outcomes=_prefixed(record, "outcome:"),
        counts=_prefixed(record, "count:"),
    )


def parse_status(values: Sequence[str | None]) -> JobStatus | None:
    """Return the status of the job whose STATE_FIELDS these are; None if it has no record or a damaged one."""
    try:
        status, *numbers = values
        for number in numbers:
            int(number or 0)
        return JobStatus(status or "")
    except ValueError:
        return None


def dump_chunk(chunk: Chunk) -> dict[str, Any]:
    """Return the fields of a chunk that the Lua scripts need."""
    return {
        "n": chunk.n,
        "size": len(chunk.items),
        "spec": dump_json({"items": chunk.items, "payload": dict(chunk.payload)}),
        "state": chunk.state.value,
        "attempts": chunk.attempts,
        "tally": dump_json(chunk.tally.to_json()),
    } | ({"runs": dump_json([run.to_json() for run in chunk.runs])} if chunk.runs else {})


def parse_chunk(n: str, fields: Mapping[str, str | None]) -> Chunk:
    """Return the chunk that a hash holds, from its fields without the number."""
    values = orjson.loads(fields["spec"] or "")
    return Chunk(
        n=n,
        items=tuple(values["items"]),
        payload=values["payload"],
        state=ChunkState(fields["state"] or ""),
        tally=Tally.from_json(orjson.loads(fields.get("tally") or "{}")),
        attempts=int(fields.get("attempts") or 0),
        error=fields.get("error") or "",
        runs=parse_runs(orjson.loads(fields.get("runs") or "[]")),
    )


def parse_runs(values: Sequence[Mapping[str, Any]]) -> tuple[ChunkRun, ...]:
    """Return the runs of a chunk from JSON types."""
    # Lua's cjson writes an empty array as {}, too.
    return tuple(map(ChunkRun.from_json, values or ()))


def chunk_as_stored(chunk: Chunk) -> Chunk:
    """Return a chunk as it comes back from a store."""
    return parse_chunk(chunk.n, dump_chunk(chunk))


def tally_as_stored(tally: Tally) -> Tally:
    """Return a tally as it comes back from a store."""
    return Tally.from_json(as_stored(tally.to_json()))


def fit_for_both_stores(tally: Tally) -> Tally:
    """Return a tally that Redis and PostgreSQL can store: NUL, which PostgreSQL rejects in text, is replaced."""
    return Tally.from_json(orjson.loads(orjson.dumps(tally.to_json()).replace(b"\\u0000", b"\\ufffd")))


def parse_chunks(record: Mapping[str, str]) -> list[Chunk]:
    """Return the chunks of a job's chunk hash, in order, without the plan step."""
    names = sorted(
        (key.removeprefix("state:") for key in record if key.startswith("state:") and key != "state:plan"),
        key=int,
    )
    return [parse_chunk(n, {name: record.get(f"{name}:{n}") for name in CHUNK_FIELDS}) for n in names]


def _parse_object(text: str) -> dict[str, Any]:
    value = orjson.loads(text)
    if not isinstance(value, dict):
        raise TypeError(f"expected an object of JSON, found {text[:80]!r}")
    return value


def _prefixed(record: Mapping[str, str], prefix: str) -> dict[str, int]:
    return {
        key.removeprefix(prefix): int(value)
        for key, value in sorted((key, value) for key, value in record.items() if key.startswith(prefix))
        if value != "0"
    }
