"""The dependencies of routes, as `Annotated` aliases."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response

from kaboom.drivers.batcher import Sharing
from kaboom.drivers.postgres.database import Database
from kaboom.errors import ConfigurationError, NotFound
from kaboom.jobs.cursor import Cursors as CursorsOfProcess
from kaboom.jobs.engine.lifecycle import Jobs as JobsOfProcess
from kaboom.jobs.redis.events import EVENT_STREAM, EventHub
from kaboom.pictures.model import Language, Picture
from kaboom.pictures.process import PictureProcess
from kaboom.web.auth.guard import Needs, current_principal
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import accepted_language
from kaboom.web.services import service, services_of

Caller = Annotated[Principal, Depends(current_principal)]
Jobs = Annotated[JobsOfProcess, service(JobsOfProcess)]
Events = Annotated[EventHub, service(EventHub)]
Cursors = Annotated[CursorsOfProcess, service(CursorsOfProcess)]


def needs(*scopes: Scope) -> Any:
    """Return the dependency that declares the scopes of a route; every route has one."""
    return Depends(Needs(scopes))


def opened[S](build: Callable[[Database], S]) -> Any:
    """Return the dependency on a store of the API's database, such as `opened(open_schedules)`."""

    async def find(jobs: Jobs) -> S:
        return jobs.parts.database.open(build)

    return Depends(find)


@dataclass(frozen=True, slots=True)
class OwnersSharing[T]:
    """Shares answers between callers of one owner with the same scopes only."""

    sharing: Sharing[T]
    owner: str
    scopes: frozenset[Scope]

    async def ask(self, question: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a question; one of these callers finds it for all."""
        return await self.sharing.ask((self.owner, self.scopes, question), find)


async def _shared(sharing: Annotated[Sharing[Response], service(Sharing)], caller: Caller) -> OwnersSharing[Response]:
    return OwnersSharing(sharing, caller.owner, caller.scopes)


async def count_stream(events: Events, caller: Caller) -> AsyncIterator[None]:
    """Count a stream of the caller until it ends or is disconnected.

    Raises:
        TooManyStreams: the caller or its owner already has the maximum number of open streams.

    """
    with events.slots.take(caller):
        yield


async def count_log_stream(request: Request, events: Events, caller: Caller) -> AsyncIterator[None]:
    """Count as `count_stream` does, if the request asks for a stream.

    Raises:
        TooManyStreams: the caller or its owner already has the maximum number of open streams.

    """
    is_stream = EVENT_STREAM in request.headers.get("accept", "")
    with events.slots.take(caller) if is_stream else nullcontext():
        yield


#: The OpenAPI content of routes that return a picture.
PNG: dict[str, Any] = {"image/png": {"schema": {"type": "string"}, "examples": {"picture": {"value": "\u2026"}}}}


async def draw_picture(request: Request, picture: Picture, language: Language) -> bytes:
    """Return a picture as PNG, drawn in the API's separate picture process.

    Raises:
        NotFound: matplotlib is not installed on this server.
        StoreError: drawing took too much time or memory.

    """
    try:
        return await services_of(request.app).find(PictureProcess).draw(picture, language=language)
    except ConfigurationError as e:
        raise NotFound(e.message) from e


async def _preferred(request: Request) -> Language:
    return accepted_language(request.headers.get("accept-language", ""))


Shared = Annotated[OwnersSharing[Response], Depends(_shared)]
#: The language that the caller prefers, by Accept-Language.
Preferred = Annotated[Language, Depends(_preferred)]

#: Plain, or quoted as in the IETF draft (a structured-field string).
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="the same key and body within 24 h is the same job; with another body 422",
    ),
]


def digest_key(key: str | None) -> str | None:
    """Return the digest that is stored for an Idempotency-Key; a quoted key equals the plain key."""
    if key is None:
        return None
    bare = key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key
    return hashlib.sha256(bare.encode()).hexdigest()
