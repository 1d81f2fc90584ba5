"""What routes ask for, as `Annotated` aliases."""

import hashlib
from typing import Annotated, cast

from fastapi import Depends, Header, Request, Response

from app.jobs.cursor import CursorSigner
from app.jobs.events import EventHub
from app.jobs.sharing import Sharing
from app.tasks.lifecycle import Jobs as JobsOfProcess


# Not that they wait for anything: FastAPI sends a plain function to a thread, at 80 µs a request.
async def _jobs(request: Request) -> JobsOfProcess:
    return cast("JobsOfProcess", request.app.state.jobs)


async def _shared(request: Request) -> Sharing[Response]:
    return cast("Sharing[Response]", request.app.state.shared)


async def _events(request: Request) -> EventHub:
    return cast("EventHub", request.app.state.events)


async def _cursors(request: Request) -> CursorSigner:
    return cast("CursorSigner", request.app.state.cursors)


Jobs = Annotated[JobsOfProcess, Depends(_jobs)]
Events = Annotated[EventHub, Depends(_events)]
Cursors = Annotated[CursorSigner, Depends(_cursors)]
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
