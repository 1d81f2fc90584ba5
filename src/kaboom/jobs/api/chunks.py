"""The chunks of a job with their runs: the timeline of the job."""

from collections.abc import Sequence
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kaboom.jobs.model import Chunk, ChunkState
from kaboom.jobs.runs import ChunkRun, find_pauses, split_slot
from kaboom.web.routers import view_of

Ended = Literal["done", "broken", "released", "waiting", "expired", "cancelled", "failed"]


class ChunkListing(BaseModel):
    """The filter and the page of a list of chunks."""

    model_config = ConfigDict(extra="forbid")

    state: list[ChunkState] = Field(default=[], max_length=len(ChunkState), description="only these; default: all")
    limit: int = Field(default=1000, ge=1, le=2000)
    cursor: int = Field(default=0, ge=0, le=10_000_000)


class RunView(BaseModel):
    """One run of a chunk, from its claim to its end; `docs/reference/outcomes.md` lists the endings."""

    run: int = Field(description="1 for the first; the newest 20 are kept")
    worker: str
    slot: int | None = Field(description="which process of the worker, from 1; null where it is not known")
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    ending: Ended | None = Field(description="null while it runs")
    settled_before: int = Field(description="items that earlier runs had settled")
    settled: int = Field(description="items that this run settled")
    failed: int = Field(description="of these, items that failed")
    reason: str = Field(description="why it ended early")
    paused_until: AwareDatetime | None = Field(description="until when the chunk was put off")


class ChunkView(BaseModel):
    """A chunk as it was planned, and its progress."""

    n: str = Field(examples=["15"])
    state: ChunkState = Field(examples=["done"])
    interval: str | None = Field(examples=["1m"])
    items: int = Field(examples=[46])
    settled: int = Field(examples=[46])
    failed: int = Field(examples=[1])
    attempts: int = Field(examples=[2])
    error: str = Field(description="why it was given up", examples=[""])
    runs: list[RunView] = Field(
        examples=[
            [
                {
                    "run": 1,
                    "worker": "worker-main@host:812-3fa9",
                    "slot": 1,
                    "started_at": "2025-11-04T07:00:12.004000Z",
                    "ended_at": "2025-11-04T07:00:32.204000Z",
                    "ending": "expired",
                    "settled_before": 0,
                    "settled": 23,
                    "failed": 0,
                    "reason": "",
                    "paused_until": None,
                },
                {
                    "run": 2,
                    "worker": "worker-main@host:812-3fa9",
                    "slot": 2,
                    "started_at": "2025-11-04T07:00:32.818000Z",
                    "ended_at": "2025-11-04T07:00:49.077000Z",
                    "ending": "done",
                    "settled_before": 23,
                    "settled": 23,
                    "failed": 1,
                    "reason": "",
                    "paused_until": None,
                },
            ]
        ]
    )


class PauseView(BaseModel):
    """A time in which chunks waited for a provider or a store."""

    begins_at: AwareDatetime = Field(examples=["2025-11-04T07:00:33.010000Z"])
    ends_at: AwareDatetime = Field(examples=["2025-11-04T07:00:45.010000Z"])
    reason: str = Field(examples=["the provider answered 429"])


class ChunkPage(BaseModel):
    """Some chunks of a job in the order of the plan, and all of its pauses."""

    items: list[ChunkView]
    total: int = Field(examples=[36])
    pauses: list[PauseView]
    next_cursor: str | None = Field(examples=["1"])


def page_chunks(chunks: Sequence[Chunk], query: ChunkListing) -> ChunkPage:
    """Return the page that a query asks for."""
    found = [chunk for chunk in chunks if not query.state or chunk.state in query.state]
    end = query.cursor + query.limit
    pauses = find_pauses(run for chunk in chunks for run in chunk.runs)
    return ChunkPage(
        items=[_view(chunk) for chunk in found[query.cursor : end]],
        total=len(found),
        pauses=[view_of(PauseView, pause) for pause in pauses],
        next_cursor=str(end) if end < len(found) else None,
    )


def _view(chunk: Chunk) -> ChunkView:
    return view_of(
        ChunkView,
        chunk,
        interval=chunk.payload.get("interval"),
        items=len(chunk.items),
        settled=chunk.tally.cursor,
        failed=chunk.tally.failed,
        error=(chunk.error or chunk.tally.cause) if chunk.state is ChunkState.DEAD else "",
        runs=[_view_run(chunk, run) for run in chunk.runs],
    )


def _view_run(chunk: Chunk, run: ChunkRun) -> RunView:
    worker, slot = split_slot(run.worker)
    settled, failed = run.settled, run.failed
    if run.ended_at is None:
        settled, failed = chunk.tally.cursor - run.settled_before, chunk.tally.failed - run.failed_before
    return view_of(RunView, run, worker=worker, slot=slot, ending=run.ending or None, settled=settled, failed=failed)
