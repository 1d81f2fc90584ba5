"""One job: its progress, the outcomes of its items, what happened to it, its events and log, and its actions."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from kaboom.dashboard.job_rows import JobRow, estimate_s
from kaboom.dashboard.labels import CompanyName
from kaboom.dashboard.page_request import OpenPage, Page, ask_names
from kaboom.dashboard.relatives import ask_relatives
from kaboom.dashboard.step_graph import MARKS as STEP_MARKS
from kaboom.dashboard.unknown import AnyId, ask_job
from kaboom.jobs.api.chunks import ChunkPage, ChunkView, PauseView, RunView
from kaboom.jobs.api.log import LogQuery
from kaboom.jobs.api.view import Failure, FailurePage, JobPage, LogLine, LogPage
from kaboom.jobs.deps import needs
from kaboom.jobs.model import ChunkState, JobStatus, Queue
from kaboom.jobs.page.timeline import build_timeline
from kaboom.jobs.redis.lines import JobLine
from kaboom.market.outcome import Outcome
from kaboom.web.auth.scopes import Scope

router = APIRouter()
_FAILURES = 20
_MOST_FAILURES = 1000
_LINES = 200
#: All lines that the API keeps.
_KEPT_LINES = 1000

QueuePath = Annotated[str, Path(pattern="^[a-z][a-z-]{0,30}$")]


class Selection(BaseModel):
    """Which failures and which lines of the log to show."""

    outcome: str = Field(default="", max_length=40)
    shown: Literal["first", "all"] = "first"
    level: Literal["debug", "warning"] = "debug"
    q: str = Field(default="", max_length=100, pattern=r"^[^\x00-\x1f]*$")


@router.get("/jobs/{queue}/{job_id}", dependencies=[needs(Scope.JOBS_READ)])
async def show_job(
    page: Page,
    queue: QueuePath,
    job_id: AnyId,
    selected: Annotated[Selection, Query()],
) -> Response:
    """Show a job, with the failures and the lines of the log that are selected."""
    wanted = LogQuery(level=selected.level, q=selected.q.strip())
    chosen: dict[str, Any] = {"outcome": selected.outcome, "shown": selected.shown, "wanted": wanted}
    return await page.share(partial(_show, queue=queue, job_id=job_id, **chosen))


async def _show(page: OpenPage, *, queue: str, job_id: str, outcome: str, wanted: LogQuery, shown: str) -> Response:
    path, most = f"/api/v1/{queue}/jobs/{job_id}", _MOST_FAILURES if shown == "all" else _FAILURES
    job, failures, chunks, log = await asyncio.gather(
        ask_job(page, queue, job_id),
        page.api.get(FailurePage, f"{path}/failures", outcome=outcome, limit=most),
        page.api.get(ChunkPage, f"{path}/chunks", limit=1000),
        page.api.get(LogPage, f"{path}/logs", limit=_KEPT_LINES),
    )
    row = JobRow(job)
    relatives = await ask_relatives(page, row)
    is_dry = bool((job.request or {}).get("dry_run")) and row.is_final
    names = await _ask_names(page, row, failures.items)
    # Lines of several processes come in the order in which Redis got them.
    kept = sorted(log.items, key=lambda line: line.at)
    notices, more = list_notices(chunks.view, row.counts, kept, list_causes(row, failures.items))
    lines = [line for line in kept if wanted.selects(JobLine("", line.level, line.event, line.fields))]
    return await page.show(
        "job.html",
        failures=failures,
        chunks=chunks,
        log=log,
        row=row,
        names=names,
        lines=lines[-_LINES:],
        lines_before=max(0, len(lines) - _LINES),
        wanted=wanted,
        outcome=outcome,
        notices=notices,
        more_notices=more,
        timeline=build_timeline(chunks.data, now=page.viewer.now) if chunks.is_ok else None,
        pauses=chunks.data.pauses if chunks.is_ok else None,
        paused_s=pause_seconds(chunks.data.pauses) if chunks.is_ok else None,
        is_dry=is_dry,
        takes=await _estimate(page, row) if is_dry and row.universe else None,
        relatives=relatives,
        run_marks=STEP_MARKS,
    )


async def _estimate(page: OpenPage, row: JobRow) -> tuple[float, float] | None:
    """Return the least and the most seconds that a planned ingest takes, judged by the newest jobs of its provider."""
    ended = {"queue": "ingest", "status": ["completed", "partial"], "limit": 50}
    done = (await page.api.get(JobPage, "/api/v1/jobs", **ended)).items
    found = [
        estimate_s(done, provider=row.provider, interval=interval, symbols=(row.universe or {}).get("symbols", 0))
        for interval in row.job.intervals or {}
    ]
    known = [each for each in found if each]
    return (sum(low for low, _ in known), sum(high for _, high in known)) if len(known) == len(found) > 0 else None


async def _ask_names(page: OpenPage, row: JobRow, failures: Sequence[Failure]) -> dict[str, CompanyName]:
    """Return the names of the failed symbols, by code; {} if the items are not symbols of a market."""
    if row.job.queue != Queue.INGEST or not row.job.market or not failures:
        return {}
    return await ask_names(page, row.job.market, {each.item for each in failures})


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
    chunks: ChunkPage | None,
    counts: Mapping[str, int],
    lines: Sequence[LogLine] = (),
    causes: Sequence[Notice] = (),
) -> tuple[list[Notice], int]:
    """Return the most serious notices of a job, and how many more there are.

    `counts` are those of its result, `lines` its log, and `causes` the notices of `list_causes`.
    """
    found = list(causes)
    found += [*_of_chunks(chunks.items), *_of_pauses(chunks.pauses)] if chunks else []
    found += [*_of_reasons(lines), *_of_bars(counts)]
    found.sort(key=lambda notice: ("bad", "warn", "idle").index(notice.kind))
    return found[:_MOST], max(0, len(found) - _MOST)


def list_causes(row: JobRow, failures: Sequence[Failure]) -> list[Notice]:
    """Return why a job failed: for each outcome the first of its failures; without outcomes, the error of the job."""
    found = []
    for word, n in row.faults:
        first = next((each for each in failures if each.outcome == word), None)
        kind = "warn" if word == Outcome.RATE_LIMITED else "bad"
        values: dict[str, Any] = {"n": n, "outcome": word, "item": first.item if first else ""}
        values |= {"why": first.message if first else "", "rejected": ""}
        if first and word == Outcome.INVALID:
            values["rejected"] = row.rejected_rows(first.interval, first.item if n == 1 else "")
        found.append(Notice(kind, kind, "items_failed", values))
    error = row.job.error
    if not found and row.job.status is JobStatus.FAILED and error:
        found.append(Notice("bad", "bad", "job_failed", {"why": error.get("message") or error["type"]}))
    return found


def pause_seconds(pauses: Sequence[PauseView]) -> float:
    """Return how long a job was paused in total."""
    return sum((pause.ends_at - pause.begins_at).total_seconds() for pause in pauses)


def _of_chunks(chunks: Sequence[ChunkView]) -> Iterator[Notice]:
    for chunk in chunks:
        runs = chunk.runs
        if chunk.state is ChunkState.DEAD:
            values = {"chunk": chunk.n, "n": chunk.attempts, "why": chunk.error}
            yield Notice("bad", "bad", "given_up", values)
        for run, after in zip_longest(runs, runs[1:]):
            if run.ending in {"expired", "broken", "waiting", "failed"}:
                yield _of_run(chunk, run, after)


def _of_run(chunk: ChunkView, run: RunView, after: RunView | None) -> Notice:
    key = f"run_{run.ending}" + ("" if after or run.ending == "failed" else "_open")
    values: dict[str, Any] = {"chunk": chunk.n, "worker": run.worker, "at": run.ended_at, "why": run.reason or "?"}
    if after:
        values |= {"next_worker": after.worker, "next_at": after.started_at}
        values |= {"settled": after.settled_before, "items": chunk.items}
    return Notice("warn", "warn", key, values)


def _of_pauses(pauses: Sequence[PauseView]) -> Iterator[Notice]:
    if pauses:
        reasons = Counter(pause.reason for pause in pauses)
        values = {"n": len(pauses), "seconds": pause_seconds(pauses), "at": pauses[0].begins_at}
        yield Notice("warn", "warn", "pauses", values | {"why": reasons.most_common(1)[0][0]})


def _of_reasons(lines: Sequence[LogLine]) -> Iterator[Notice]:
    for line in lines:
        if line.event in _WHY and (why := line.fields.get("reason")):
            yield Notice("idle", "note", _WHY[line.event], {"at": line.at, "why": why})


def _of_bars(counts: Mapping[str, int]) -> Iterator[Notice]:
    flags = {name.removeprefix(_FLAG): n for name, n in counts.items() if name.startswith(_FLAG) and n}
    if flags:
        named = sorted(flags.items(), key=lambda each: -each[1])
        yield Notice("idle", "note", "flagged", {"n": sum(flags.values()), "flags": named})
    if corrected := counts.get("corrected", 0):
        yield Notice("idle", "note", "corrected", {"n": corrected})
