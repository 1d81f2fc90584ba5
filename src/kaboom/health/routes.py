"""`/healthz` answers while the process runs; `/readyz` shows which parts accept a write."""

import asyncio
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

from fastapi import APIRouter, Response, status
from pydantic import BaseModel, ConfigDict

from kaboom.jobs.engine.dispatch import Dispatcher
from kaboom.jobs.engine.health_checks import BarsFolder, DataDisk, RecentAnswer, find_fault
from kaboom.jobs.postgres.port import JobHistory
from kaboom.jobs.redis.store import JobStore
from kaboom.web.services import service

#: How long each part may take; all are asked at the same time.
_WITHIN_S = 2.0

router = APIRouter(tags=["health"])

_FINE = {"is_ok": True, "detail": ""}
_READY: dict[str, Any] = {
    "ready": True,
    "parts": {"redis": _FINE, "broker": _FINE, "database": _FINE, "bars": _FINE},
    "workers_online": 1,
    "release": None,
}


class Alive(BaseModel):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: str


class Part(BaseModel):
    """One part: whether it accepts a write, and the error if it does not."""

    is_ok: bool
    detail: str = ""


class Ready(BaseModel):
    """Every part by name; `ready` means that jobs can be accepted, which needs neither the broker nor the bars.

    `database` is not ready while its schema lacks migrations of this release; a newer schema is named in `detail`.

    `bars` is present if the bar store is a folder that this process sees, and `disk` while the disk of the data folder
    is full. `release` is KABOOM_RELEASE of this process.
    """

    model_config = ConfigDict(json_schema_extra={"example": _READY})

    ready: bool
    parts: dict[str, Part]
    workers_online: int
    release: str | None


@dataclass
class Readiness:
    """Tries a small write on every part, within 2 s, and at most once a second for all requests."""

    store: JobStore
    dispatcher: Dispatcher
    history: JobHistory
    bars: BarsFolder
    disk: DataDisk
    release: str | None
    _newer_schema: str = field(default="", init=False)

    @cached_property
    def _recent(self) -> RecentAnswer[Ready]:
        return RecentAnswer(self._ask)

    async def get(self) -> Ready:
        """Return the state of the parts, at most a second old."""
        return await self._recent.get()

    async def _ask(self) -> Ready:
        questions = {
            "redis": self.store.try_write(),
            "broker": self.dispatcher.try_write(),
            "database": self._try_database(),
        }
        if self.bars.is_here:
            questions["bars"] = self.bars.try_write()
        *faults, workers = await asyncio.gather(
            *(find_fault(question, within_s=_WITHIN_S) for question in questions.values()), self._count_workers()
        )
        said = {name: Part(is_ok=not fault, detail=fault) for name, fault in zip(questions, faults, strict=True)}
        if said["database"].is_ok:
            said["database"].detail = self._newer_schema
        if full := await self.disk.find_full():
            said["disk"] = Part(is_ok=False, detail=full)
        is_ready = said["redis"].is_ok and said["database"].is_ok
        return Ready(ready=is_ready, parts=said, workers_online=workers, release=self.release)

    async def _try_database(self) -> None:
        self._newer_schema = await self.history.try_write()

    async def _count_workers(self) -> int:
        workers = 0

        async def count() -> None:
            nonlocal workers
            workers = len(await self.store.workers())

        # If Redis is unavailable, the part `redis` shows it.
        await find_fault(count(), within_s=_WITHIN_S)
        return workers


@router.get("/healthz")
async def healthz() -> Alive:
    """Answer without a check of any other part."""
    return Alive(status="ok")


@router.get("/readyz", responses={503: {"model": Ready, "description": "a part is unavailable"}})
async def readyz(readiness: Annotated[Readiness, service(Readiness)], response: Response) -> Ready:
    """Check Redis, the brokers, the ledger and the folder of bars; 503 if Redis or the ledger accepts no write.

    The answer may be a second old: the parts are checked at most once a second.
    """
    ready = await readiness.get()
    if not ready.ready:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = "2"
    return ready
