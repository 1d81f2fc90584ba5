"""Invariant set I: what must hold of every job when nothing runs any more, and a readable list of what does not."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from kaboom.jobs.model import TRANSITIONS, JobStatus
from kaboom.jobs.redis.store import MAX_ATTEMPTS
from tests.faults.lab.evidence import Evidence, LedgerJob, LiveJob, parse_tally
from tests.fixtures.servers.stacks import FINAL

_COUNTERS = ("total", "done", "failed", "cancelled", "written", "rows", "chunks_total", "chunks_done", "dead")
_CHUNK_FINAL = frozenset({"done", "dead", "cancelled"})


class Kind(StrEnum):
    """What can be wrong."""

    LOST = "lost"  # a 202 was given, and the ledger has no such job
    UNASKED = "unasked"  # the ledger has a job that nobody was told of, and nobody may have missed an answer
    WRONG_STATE = "wrong_state"
    MISCOUNTED = "miscounted"  # outcomes, counters and chunks do not add up
    STORES_DISAGREE = "stores_disagree"  # Redis and the ledger
    LEFT_BEHIND = "left_behind"  # a lease, an announcement or an active job that nobody will end
    EVENTS = "events"  # not exactly one end, or a step that the state machine has not
    ATTEMPTS = "attempts"
    BARS_MISSING = "bars_missing"
    BARS_WRONG = "bars_wrong"
    BARS_TWICE = "bars_twice"
    BROKEN_PAGE = "broken_page"
    UNLOGGED = "unlogged"  # the audit log has no line of the submission
    STRAY_KEY = "stray_key"  # of Redis: one that never expires, or whose job nobody knows


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that is wrong, and with which job."""

    kind: Kind
    where: str
    text: str

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.kind}: {self.where}: {self.text}"


def audit(evidence: Evidence) -> list[Breach]:
    """Return every breach of the invariants."""
    return [breach for look in _LOOKS for breach in look(evidence)]


def assert_sound(evidence: Evidence) -> None:
    """Fail with one line for each breach."""
    breaches = audit(evidence)
    lines = "\n".join(f"  {breach}" for breach in breaches[:40])
    assert not breaches, f"{len(breaches)} breaches of the invariants:\n{lines}"


def _promises(e: Evidence) -> Iterator[Breach]:
    told = {a.job_id for a in e.attempts if a.job_id} - e.deleted
    for job_id in sorted(told - e.ledger.keys()):
        yield Breach(Kind.LOST, job_id, "answered with 202, and not in the ledger")
    unasked = sorted(e.ledger.keys() - told)
    unanswered = sum(a.code == 0 or a.is_unsure for a in e.attempts)
    if len(unasked) > unanswered:
        yield Breach(Kind.UNASKED, ", ".join(unasked), f"{len(unasked)} jobs of {unanswered} unanswered submissions")


def _lines(e: Evidence) -> Iterator[Breach]:
    # A retry's line names the job that was retried.
    submitted = {job_id for job_id, job in e.ledger.items() if not job.row["parent_id"]}
    for job_id in sorted(submitted - e.logged):
        yield Breach(Kind.UNLOGGED, job_id, "is in the ledger, and its submission is not in the audit log")


def _states(e: Evidence) -> Iterator[Breach]:
    for job_id, job in e.ledger.items():
        state, allowed = job.row["status"], e.expected_states.get(job_id, FINAL)
        if state not in allowed:
            error = f" ({job.row['error']})" if job.row["error"] else ""
            yield Breach(Kind.WRONG_STATE, job_id, f"ended {state}{error}, expected {' or '.join(sorted(allowed))}")
        elif state != _settle(job.row):
            yield Breach(Kind.WRONG_STATE, job_id, f"ended {state}, its counts say {_settle(job.row)}")


def _settle(row: Mapping[str, Any]) -> str:
    """Return the state that a job's counts stand for; a cancelled or a planless one may have any."""
    if row["status"] == "cancelled" or row["error"]:
        return str(row["status"])
    if not row["failed"]:
        return "completed"
    return "partial" if row["written"] else "failed"


def _sums(e: Evidence) -> Iterator[Breach]:
    for job_id, job in e.ledger.items():
        if job.row["plan"] is None:
            continue
        for name, (is_, should) in _expected_counts(job).items():
            if is_ != should:
                yield Breach(Kind.MISCOUNTED, job_id, f"{name} was {is_}, its chunks say {should}")


def _expected_counts(job: LedgerJob) -> dict[str, tuple[int, int]]:
    row, tallies = job.row, [chunk["tally"] for chunk in job.chunks]
    items = sum(len(chunk["items"]) for chunk in job.chunks)
    sums = {name: sum(t[name] for t in tallies) for name in ("done", "failed", "written", "rows")}
    sums |= {
        "total": items,
        "cancelled": items - sum(t["cursor"] for t in tallies),
        "chunks_total": len(job.chunks),
        "chunks_done": sum(chunk["state"] in _CHUNK_FINAL for chunk in job.chunks),
        "dead": sum(chunk["state"] == "dead" for chunk in job.chunks),
    }
    counts = {name: (row[name], should) for name, should in sums.items()}
    counts["done + failed + cancelled"] = (row["done"] + row["failed"] + row["cancelled"], row["total"])
    counts["outcomes"] = (sum(row["outcomes"].values()), row["done"] + row["failed"])
    return counts


def _agreement(e: Evidence) -> Iterator[Breach]:
    for job_id, job in e.ledger.items():
        live = e.live.get(job_id)
        if live is None:
            if job_id not in e.forgotten:
                yield Breach(Kind.STORES_DISAGREE, job_id, "is in the ledger and not in Redis")
            continue
        for name, (kept, said) in _pairs(job, live).items():
            if kept != said:
                yield Breach(Kind.STORES_DISAGREE, job_id, f"{name} is {kept} in the ledger and {said} in Redis")
    for job_id in e.live.keys() - e.ledger.keys():
        yield Breach(Kind.STORES_DISAGREE, job_id, "is in Redis and not in the ledger")


def _pairs(job: LedgerJob, live: LiveJob) -> dict[str, tuple[Any, Any]]:
    record = live.record
    pairs: dict[str, tuple[Any, Any]] = {"status": (job.row["status"], record["status"])}
    pairs |= {name: (job.row[name], int(record.get(name, 0))) for name in _COUNTERS}
    outcomes = {k.removeprefix("outcome:"): int(v) for k, v in record.items() if k.startswith("outcome:") and v != "0"}
    pairs["outcomes"] = (job.row["outcomes"], outcomes)
    for chunk in job.chunks:
        n = chunk["n"]
        pairs[f"chunk {n}"] = (chunk["state"], live.chunks.get(f"state:{n}"))
        if chunk["state"] == "done":
            said = parse_tally(live.chunks.get(f"tally:{n}"))
            pairs[f"chunk {n}'s rows"] = (chunk["tally"]["rows"], said.get("rows"))
    return pairs


def _leftovers(e: Evidence) -> Iterator[Breach]:
    for key, members in e.left.items():
        for member in members:
            yield Breach(Kind.LEFT_BEHIND, key, member)


def _events(e: Evidence) -> Iterator[Breach]:
    for job_id, live in e.live.items():
        ends = [state for state in live.states if state in FINAL]
        if len(ends) != 1 or live.states[-1] not in FINAL:
            yield Breach(Kind.EVENTS, job_id, f"ended {len(ends)} times: {' → '.join(live.states)}")
        for one, other in pairwise(live.states):
            if JobStatus(other) not in TRANSITIONS[JobStatus(one)]:
                yield Breach(Kind.EVENTS, job_id, f"went from {one} to {other}")


def _attempts(e: Evidence) -> Iterator[Breach]:
    for job_id, job in e.ledger.items():
        for chunk in job.chunks:
            n, attempts = chunk["n"], chunk["attempts"]
            if attempts > MAX_ATTEMPTS or (chunk["state"] == "done" and attempts < 1):
                yield Breach(Kind.ATTEMPTS, job_id, f"chunk {n} ended {chunk['state']} after {attempts} attempts")


def _bars(e: Evidence) -> Iterator[Breach]:
    keys = ["symbol", "opened_at"]
    if doubled := e.kept.height - e.kept.unique(keys).height:
        yield Breach(Kind.BARS_TWICE, "bars", f"{doubled} bars are kept twice")
    strange = e.kept.join(e.undisturbed, on=e.kept.columns, how="anti", nulls_equal=True)
    for symbol, count in strange.group_by("symbol").len().sort("symbol").rows():
        yield Breach(Kind.BARS_WRONG, symbol, f"{count} bars that an undisturbed run does not keep")
    kept = dict(e.kept.group_by("symbol").len().rows())
    whole = dict(e.undisturbed.group_by("symbol").len().rows())
    ingests = ((job_id, job) for job_id, job in e.ledger.items() if job.is_ingest)
    for job_id, job in ingests:
        written = [symbol for chunk in job.chunks for symbol in _written(chunk)]
        for symbol in written:
            if kept.get(symbol, 0) != whole.get(symbol, 0):
                text = f"{symbol} has {kept.get(symbol, 0)} of {whole.get(symbol, 0)} bars, and counts as written"
                yield Breach(Kind.BARS_MISSING, job_id, text)
        if job.row["rows"] != (rows := sum(whole.get(symbol, 0) for symbol in written)):
            yield Breach(Kind.MISCOUNTED, job_id, f"rows was {job.row['rows']}, an undisturbed run writes {rows}")


def _written(chunk: Mapping[str, Any]) -> list[str]:
    """Return the symbols that a chunk settled with success."""
    tally = chunk["tally"]
    noted = {note[0] for note in tally["notes"]}
    return [item for item in chunk["items"][: tally["cursor"]] if item not in noted]


def _pages(e: Evidence) -> Iterator[Breach]:
    for fault in e.broken_pages:
        yield Breach(Kind.BROKEN_PAGE, "bars", fault)


def _keys(e: Evidence) -> Iterator[Breach]:
    for key, why in e.stray.items():
        yield Breach(Kind.STRAY_KEY, key, why)


_LOOKS: tuple[Callable[[Evidence], Iterator[Breach]], ...] = (
    _promises, _lines, _states, _sums, _agreement, _leftovers, _events, _attempts, _bars, _pages, _keys,
)  # fmt: skip
