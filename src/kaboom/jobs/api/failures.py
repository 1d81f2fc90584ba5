"""The items of a job that are not plain successes, with their outcomes."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kaboom.jobs.api.view import Failure, FailurePage
from kaboom.jobs.model import Chunk
from kaboom.market.outcome import is_fine
from kaboom.web.routers import view_of

#: The outcomes of items: those of symbols; of items of other jobs; of items whose chunk was given up.
ItemOutcome = Literal[
    "ok",
    "no_trades",
    "not_listed",
    "rate_limited",
    "provider_error",
    "invalid",
    "write_failed",
    "failed",
    "lost",
]


class FailureListing(BaseModel):
    """The filter and the page of a list of items."""

    model_config = ConfigDict(extra="forbid")

    outcome: list[ItemOutcome] = Field(default=[], max_length=9)
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: int = Field(default=0, ge=0, le=10_000_000)


def page_failures(chunks: Sequence[Chunk], query: FailureListing) -> FailurePage:
    """Return the page that a query asks for."""
    found = [
        view_of(Failure, note, interval=chunk.payload.get("interval"))
        for chunk in chunks
        for note in chunk.tally.notes
        if (note.outcome in query.outcome if query.outcome else not is_fine(note.outcome))
    ]
    end = query.cursor + query.limit
    cursor = str(end) if end < len(found) else None
    return FailurePage(items=found[query.cursor : end], total=len(found), next_cursor=cursor)
