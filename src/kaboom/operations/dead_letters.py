"""Dead letters: chunks that were given up, with the way to run them again."""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from kaboom.jobs.api.words import Instant
from kaboom.jobs.cursor import Cursors
from kaboom.jobs.model import Queue, jobs_path
from kaboom.jobs.postgres.dead_letters import DeadLetter, DeadLetterQuery
from kaboom.jobs.postgres.port import JobHistory
from kaboom.web.routers import view_of

_PLACE = TypeAdapter(tuple[AwareDatetime, str, int])


class DeadLetterListing(BaseModel):
    """The filter and the page of a list of dead letters."""

    model_config = ConfigDict(extra="forbid")

    queue: list[Queue] = Field(default=[], max_length=len(Queue), description="only these; default: all")
    since: Instant | None = Field(default=None, description="given up then or later")
    is_retried: bool | None = Field(default=None, description="only those whose job was retried, or was not")
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=200, description="next_cursor of the page before")


class DeadLetterView(BaseModel):
    """A chunk that was given up after its last attempt, or at once if a retry could not help."""

    queue: str = Field(examples=["ingest"])
    job_id: str = Field(examples=["dc84d88371794773b929d2957f6a663b"])
    task: str = Field(examples=["ingest.run_daily"])
    chunk: str = Field(examples=["15"])
    items: int = Field(examples=[46])
    failed: int = Field(description="items of the chunk that failed, the unfinished ones among them", examples=[23])
    attempts: int = Field(examples=[3])
    cause: str = Field(examples=["given up after 3 attempts: in 3 of 3 attempts the worker process died"])
    given_up_at: AwareDatetime = Field(examples=["2025-11-04T07:01:12.204000Z"])
    retried_as: str | None = Field(description="the newest job that retries its job; null if there is no such job")
    links: dict[str, str] = Field(
        description="its job, the runs of its chunks, and what a POST retries",
        examples=[
            {
                "job": "/api/v1/ingest/jobs/dc84d88371794773b929d2957f6a663b",
                "chunks": "/api/v1/ingest/jobs/dc84d88371794773b929d2957f6a663b/chunks",
                "retry": "/api/v1/ingest/jobs/dc84d88371794773b929d2957f6a663b/retry",
            }
        ],
    )


class DeadLetterPage(BaseModel):
    """Some dead letters, newest first."""

    items: list[DeadLetterView]
    next_cursor: str | None


async def page_dead_letters(
    history: JobHistory, cursors: Cursors, listing: DeadLetterListing, *, queues: Sequence[str], owner: str
) -> DeadLetterPage:
    """Return one page of dead letters.

    Raises:
        BadCursor: the cursor is invalid, or belongs to another list.
        StoreError: the ledger is unavailable.

    """
    wanted = tuple(sorted({queue.value for queue in listing.queue} or set(queues)))
    scope = ["dead letters", *wanted, owner, listing.since, listing.is_retried]
    query = DeadLetterQuery(wanted, owner, listing.since, listing.is_retried, limit=listing.limit)
    if listing.cursor:
        at, job_id, n = (await cursors.signer()).decode_place(listing.cursor, scope, _PLACE)
        query = replace(query, before=(at, job_id, n))
    found = await history.dead_letters(query)
    next_cursor = None
    if len(found) == listing.limit:
        next_cursor = (await cursors.signer()).encode_place(found[-1].place, scope)
    return DeadLetterPage(items=[_view(letter) for letter in found], next_cursor=next_cursor)


def _view(letter: DeadLetter) -> DeadLetterView:
    job = f"{jobs_path(letter.queue)}/{letter.job_id}"
    links = {"job": job, "chunks": f"{job}/chunks", "retry": f"{job}/retry"}
    return view_of(DeadLetterView, letter, chunk=str(letter.n), links=links)
