"""`/healthz` answers while the process runs; `/readyz` shows which parts accept a write."""

import asyncio
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request, Response, status
from pydantic import BaseModel, ConfigDict

from kaboom.jobs.deps import Jobs
from kaboom.jobs.engine.health_checks import BarsFolder, DataDisk, RecentAnswer, find_fault
from kaboom.jobs.engine.parts import Parts

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


class Readiness:
    """Tries a small write on every part, within 2 s, and at most once a second for all requests."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._bars = BarsFolder(parts)
        self._disk = DataDisk(parts.settings.data_dir)
        self._recent = RecentAnswer(self._ask)
        self._newer_schema = ""

    async def get(self) -> Ready:
        """Return the state of the parts, at most a second old."""
        return await self._recent.get()

    async def _ask(self) -> Ready:
        questions = {
            "redis": self.parts.store.try_write(),
            "broker": self.parts.dispatcher.try_write(),
            "database": self._try_database(),
        }
        if self._bars.is_here:
            questions["bars"] = self._bars.try_write()
        *faults, workers = await asyncio.gather(
            *(find_fault(question, within_s=_WITHIN_S) for question in questions.values()), self._count_workers()
        )
        said = {name: Part(is_ok=not fault, detail=fault) for name, fault in zip(questions, faults, strict=True)}
        if said["database"].is_ok:
            said["database"].detail = self._newer_schema
        if full := await self._disk.find_full():
            said["disk"] = Part(is_ok=False, detail=full)
        is_ready = said["redis"].is_ok and said["database"].is_ok
        return Ready(ready=is_ready, parts=said, workers_online=workers, release=self.parts.settings.release)

    async def _try_database(self) -> None:
        self._newer_schema = await self.parts.history.try_write()

    async def _count_workers(self) -> int:
        workers = 0

        async def count() -> None:
            nonlocal workers
            workers = len(await self.parts.store.workers())

        # If Redis is unavailable, the part `redis` shows it.
        await find_fault(count(), within_s=_WITHIN_S)
        return workers


async def find_readiness(request: Request, jobs: Jobs) -> Readiness:
    """Return the readiness of this process, which all requests share."""
    state = request.app.state
    found = cast("Readiness | None", getattr(state, "readiness", None))
    if found is None or found.parts is not jobs.parts:
        state.readiness = found = Readiness(jobs.parts)
    return found


@router.get("/healthz")
async def healthz() -> Alive:
    """Answer without a check of any other part."""
    return Alive(status="ok")


@router.get("/readyz", responses={503: {"model": Ready, "description": "a part is unavailable"}})
async def readyz(readiness: Annotated[Readiness, Depends(find_readiness)], response: Response) -> Ready:
    """Check Redis, the brokers, the ledger and the folder of bars; 503 if Redis or the ledger accepts no write.

    The answer may be a second old: the parts are checked at most once a second.
    """
    ready = await readiness.get()
    if not ready.ready:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = "2"
    return ready
