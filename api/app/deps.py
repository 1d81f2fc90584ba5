"""What routes ask for, as `Annotated` aliases."""

import hashlib
from typing import Annotated, cast

from fastapi import Depends, Header, Request

from app.jobs.cursor import CursorSigner
from app.jobs.events import EventHub
from app.tasks.lifecycle import Jobs as JobsOfProcess


def _jobs(request: Request) -> JobsOfProcess:
    return cast("JobsOfProcess", request.app.state.jobs)


def _events(request: Request) -> EventHub:
    return cast("EventHub", request.app.state.events)


def _cursors(request: Request) -> CursorSigner:
    return cast("CursorSigner", request.app.state.cursors)


Jobs = Annotated[JobsOfProcess, Depends(_jobs)]
Events = Annotated[EventHub, Depends(_events)]
Cursors = Annotated[CursorSigner, Depends(_cursors)]

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
