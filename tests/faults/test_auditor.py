"""The auditor sees what it is there for: each kind of breach, planted in sound evidence, and on real stores."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import polars as pl
import psycopg
import pytest

from kaboom.market.bar import BAR_SCHEMA
from tests.faults.lab.audit import Kind, assert_sound, audit
from tests.faults.lab.client import Attempt
from tests.faults.lab.evidence import Evidence, LedgerJob, LiveJob, collect
from tests.faults.lab.lab import Lab

AT = datetime(2025, 10, 31, tzinfo=UTC)
TALLY = {"cursor": 2, "done": 2, "failed": 0, "written": 2, "rows": 2, "outcomes": {"ok": 2}, "counts": {}, "notes": []}
COUNTS = {"total": 2, "done": 2, "failed": 0, "cancelled": 0, "written": 2, "rows": 2, "chunks_total": 1,
          "chunks_done": 1, "dead": 0}  # fmt: skip
ROW = {"queue": "ingest", "parent_id": None, "status": "completed", "request": {"symbols": ["1301", "1302"]},
       "plan": {}, "error": None, "outcomes": {"ok": 2}, **COUNTS}  # fmt: skip
CHUNK = {"n": 0, "items": ["1301", "1302"], "state": "done", "attempts": 1, "tally": TALLY}


def bars(*closes: float) -> pl.DataFrame:
    """Return a bar for each of two symbols, and one more for each further close."""
    symbols = ["1301", "1302", "1302"][: len(closes)]
    rows = [(symbol, AT, 1.0, 9.0, 1.0, close, 100, 0) for symbol, close in zip(symbols, closes, strict=True)]
    return pl.DataFrame(rows, schema=BAR_SCHEMA, orient="row")


def sound() -> Evidence:
    """Return the evidence of one job of two symbols that went well."""
    record = {"status": "completed", "outcome:ok": "2"} | {name: str(n) for name, n in COUNTS.items()}
    chunks = {"state:0": "done", "tally:0": orjson.dumps(TALLY).decode()}
    return Evidence(
        attempts=[Attempt(202, "a", ("1301", "1302"))],
        expected_states={"a": frozenset({"completed"})},
        ledger={"a": LedgerJob(ROW, [CHUNK])},
        logged=frozenset("a"),
        live={"a": LiveJob(record, chunks, ["queued", "running", "completed"])},
        left={},
        kept=bars(5.0, 6.0),
        undisturbed=bars(5.0, 6.0),
    )


def row(e: Evidence, **values: Any) -> Evidence:
    """Change the job's row."""
    job = e.ledger["a"]
    return replace(e, ledger={"a": replace(job, row={**job.row, **values})})


def chunk(e: Evidence, **values: Any) -> Evidence:
    """Change the job's chunk in the ledger."""
    job = e.ledger["a"]
    return replace(e, ledger={"a": replace(job, chunks=[{**job.chunks[0], **values}])})


def live(e: Evidence, **values: Any) -> Evidence:
    """Change the job in Redis."""
    return replace(e, live={"a": replace(e.live["a"], **values)})


def record(e: Evidence, values: Mapping[str, str]) -> Evidence:
    """Change the job's hash in Redis."""
    return live(e, record={**e.live["a"].record, **values})


BREACHES: list[tuple[str, Kind, Callable[[Evidence], Evidence]]] = [
    ("a 202 and no job", Kind.LOST, lambda e: replace(e, attempts=[*e.attempts, Attempt(202, "b", ())])),
    ("a job after a 503", Kind.UNASKED, lambda e: replace(e, attempts=[Attempt(503, None, ())])),
    ("a submission that nobody logged", Kind.UNLOGGED, lambda e: replace(e, logged=frozenset())),
    ("another end", Kind.WRONG_STATE, lambda e: row(e, status="failed")),
    ("an end that its counts deny", Kind.WRONG_STATE, lambda e: row(e, failed=1)),
    ("a symbol too many", Kind.MISCOUNTED, lambda e: row(e, done=3)),
    ("a chunk that says less", Kind.MISCOUNTED, lambda e: chunk(e, tally={**TALLY, "done": 1, "cursor": 1})),
    ("outcomes that do not add up", Kind.MISCOUNTED, lambda e: row(e, outcomes={"ok": 1})),
    ("rows counted twice", Kind.MISCOUNTED, lambda e: row(e, rows=4)),
    ("another state in Redis", Kind.STORES_DISAGREE, lambda e: record(e, {"status": "running"})),
    ("another count in Redis", Kind.STORES_DISAGREE, lambda e: record(e, {"rows": "4"})),
    ("an open chunk in Redis", Kind.STORES_DISAGREE, lambda e: live(e, chunks={"state:0": "running"})),
    ("a job that Redis forgot", Kind.STORES_DISAGREE, lambda e: replace(e, live={})),
    ("a job that the ledger forgot", Kind.STORES_DISAGREE, lambda e: replace(e, live={**e.live, "b": e.live["a"]})),
    ("a lease", Kind.LEFT_BEHIND, lambda e: replace(e, left={"ingest:leases": ["a|0"]})),
    ("two ends", Kind.EVENTS, lambda e: live(e, states=["queued", "running", "completed", "completed"])),
    ("no end", Kind.EVENTS, lambda e: live(e, states=["queued", "running"])),
    ("a step back", Kind.EVENTS, lambda e: live(e, states=["running", "queued", "running", "completed"])),
    ("a fourth attempt", Kind.ATTEMPTS, lambda e: chunk(e, attempts=4)),
    ("no attempt", Kind.ATTEMPTS, lambda e: chunk(e, attempts=0)),
    ("a bar that is not there", Kind.BARS_MISSING, lambda e: replace(e, kept=e.kept.head(1))),
    ("another price", Kind.BARS_WRONG, lambda e: replace(e, kept=bars(5.0, 7.0))),
    ("a bar twice", Kind.BARS_TWICE, lambda e: replace(e, kept=bars(5.0, 6.0, 6.0))),
    ("a page that cannot be read", Kind.BROKEN_PAGE, lambda e: replace(e, broken_pages=["2025-10: checksum"])),
    ("a key for ever", Kind.STRAY_KEY, lambda e: replace(e, stray={"ingest:job:a:logs": "it never expires"})),
]


def test_sound_evidence_is_passed() -> None:
    assert audit(sound()) == []


def test_every_kind_of_breach_is_planted() -> None:
    assert {kind for _, kind, _ in BREACHES} == set(Kind)


@pytest.mark.parametrize(("kind", "plant"), [b[1:] for b in BREACHES], ids=[b[0] for b in BREACHES])
def test_a_planted_breach_is_reported(kind: Kind, plant: Callable[[Evidence], Evidence]) -> None:
    assert kind in {breach.kind for breach in audit(plant(sound()))}


def test_what_an_emptied_redis_forgot_is_no_breach() -> None:
    assert audit(replace(sound(), live={}, forgotten=frozenset({"a"}))) == []


def test_an_unreported_job_is_allowed_after_a_lost_answer() -> None:
    assert audit(replace(sound(), attempts=[Attempt(0, None, ("1301",))], expected_states={})) == []


def test_a_deleted_job_is_no_loss_and_its_keys_are_a_breach() -> None:
    gone = replace(sound(), deleted=frozenset({"a"}), ledger={}, live={}, kept=bars(), undisturbed=bars())
    assert audit(gone) == []
    assert [b.kind for b in audit(replace(gone, stray={"ingest:job:a": "its job is not in the ledger"}))] == [
        Kind.STRAY_KEY
    ]


def test_breaches_on_real_stores_are_reported(lab: Lab) -> None:
    job_id = lab.caller.submit(lab.requests.build(4))
    lab.caller.wait(job_id)
    evidence = collect(lab)
    assert_sound(evidence)
    with psycopg.connect(lab.database_url) as connection:
        connection.execute("UPDATE jobs SET rows = rows * 2 WHERE job_id = %s", (job_id,))
    lab.redis.hset(f"ingest:job:{job_id}:chunks", "state:0", "running")
    strays = ("ingest:job:" + "f" * 32, f"ingest:job:{job_id}:events", "something")
    lab.redis.hset(strays[0], "status", "completed")
    lab.redis.persist(strays[1])
    lab.redis.set(strays[2], 1)
    assert collect(lab).stray.keys() == set(strays)
    found = {breach.kind for breach in audit(collect(lab))}
    with psycopg.connect(lab.database_url) as connection:
        connection.execute("UPDATE jobs SET rows = rows / 2 WHERE job_id = %s", (job_id,))
    lab.redis.hset(f"ingest:job:{job_id}:chunks", "state:0", "done")
    lab.redis.delete(strays[0], strays[2])
    lab.redis.expire(strays[1], 60)
    assert found == {Kind.MISCOUNTED, Kind.STORES_DISAGREE, Kind.STRAY_KEY}
