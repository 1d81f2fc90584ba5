"""What routes ask for, as `Annotated` aliases."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Annotated, cast

from fastapi import Depends, Header, Request, Response

from app.auth import INGEST_OWNER
from app.engine.lifecycle import Jobs as JobsOfProcess
from app.jobs.cursor import Cursors as CursorsOfProcess
from app.jobs.sharing import Sharing
from app.live.events import EventHub
from app.live.streams import EVENT_STREAM


# Not that they wait for anything: FastAPI sends a plain function to a thread, at 80 µs a request.
async def _jobs(request: Request) -> JobsOfProcess:
    return cast("JobsOfProcess", request.app.state.jobs)


async def _shared(request: Request) -> Sharing[Response]:
    return cast("Sharing[Response]", request.app.state.shared)


async def _events(request: Request) -> EventHub:
    return cast("EventHub", request.app.state.events)


async def count_stream(request: Request) -> AsyncIterator[None]:
    """Count a stream among those of its caller until it has been sent or has broken off.

    Raises:
        TooManyStreams: the caller has as many as it may.

    """
    with request.app.state.events.slots.take(INGEST_OWNER):
        yield


async def count_log_stream(request: Request) -> AsyncIterator[None]:
    """Count as `count_stream` does, where a stream is asked for.

    Raises:
        TooManyStreams: as there.

    """
    is_stream = EVENT_STREAM in request.headers.get("accept", "")
    with request.app.state.events.slots.take(INGEST_OWNER) if is_stream else nullcontext():
        yield


async def _cursors(request: Request) -> CursorsOfProcess:
    return cast("CursorsOfProcess", request.app.state.cursors)


Jobs = Annotated[JobsOfProcess, Depends(_jobs)]
Events = Annotated[EventHub, Depends(_events)]
Cursors = Annotated[CursorsOfProcess, Depends(_cursors)]
Shared = Annotated[Sharing[Response], Depends(_shared)]

#: Bare, or quoted as the IETF draft has it (a structured-field string).
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="the same key and body within 24 h is the same job; with another body 422",
    ),
]


def digest_key(key: str | None) -> str | None:
    """Return what is kept of an Idempotency-Key: quoted or bare it is the same one."""
    if key is None:
        return None
    bare = key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key
    return hashlib.sha256(bare.encode()).hexdigest()
