"""`/healthz` tells that the process lives, `/readyz` which parts answer."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from fastapi import APIRouter, Response, status
from pydantic import BaseModel, ConfigDict

from app.deps import Jobs
from batch.errors import KaboomError

router = APIRouter(tags=["health"])

_FINE = {"is_ok": True, "detail": ""}
_READY: dict[str, Any] = {
    "ready": True,
    "parts": {"redis": _FINE, "broker": _FINE, "database": _FINE},
    "workers_online": 1,
    "release": None,
}


class Alive(BaseModel):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: str


class Part(BaseModel):
    """One part: whether it answers, and what it said otherwise."""

    is_ok: bool
    detail: str = ""


class Ready(BaseModel):
    """Every part by name; `ready` means that a job can be accepted, which the broker is not needed for.

    `release` is KABOOM_RELEASE of this process.
    """

    model_config = ConfigDict(json_schema_extra={"example": _READY})

    ready: bool
    parts: dict[str, Part]
    workers_online: int
    release: str | None


@router.get("/healthz")
async def healthz() -> Alive:
    """Answer without asking anything else."""
    return Alive(status="ok")


@router.get("/readyz", responses={503: {"model": Ready, "description": "a part is away"}})
async def readyz(jobs: Jobs, response: Response) -> Ready:
    """Ask Redis, the brokers and the ledger; 503 where Redis or the ledger is away."""
    parts = jobs.parts
    questions = (parts.store.ping(), parts.dispatcher.ping(), parts.history.ping())
    redis, broker, database = await asyncio.gather(*(_ask(question) for question in questions))
    workers = len(await parts.store.workers()) if redis.is_ok else 0
    is_ready = redis.is_ok and database.is_ok
    if not is_ready:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = "2"
    shown = {"redis": redis, "broker": broker, "database": database}
    return Ready(ready=is_ready, parts=shown, workers_online=workers, release=parts.settings.release)


async def _ask(question: Awaitable[None]) -> Part:
    try:
        await question
    except KaboomError as e:
        return Part(is_ok=False, detail=e.message)
    return Part(is_ok=True)
