"""The worker's HTTP server: `/healthz` for liveness, `/readyz` for the state of each part, `/metrics`."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kaboom.jobs.engine.asking import BarsFolder, RecentAnswer, find_fault
from kaboom.jobs.engine.parts import Parts
from kaboom.worker.liveness import Liveness
from kaboom.worker.watchdog import Watchdog

#: How long each part may take to answer; all are asked at the same time.
_ASK_S = 2.0

_ask = partial(find_fault, within_s=_ASK_S)


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """The health pages of a worker's main process."""

    parts: Parts
    liveness: Liveness
    watchdog: Watchdog
    queues: Callable[[], Sequence[str]]

    def app(self, *more: Route) -> Starlette:
        """Return an application with `/healthz`, `/readyz` and the routes of `more`."""
        stores = RecentAnswer(partial(self._ask_stores, BarsFolder(self.parts)))

        async def readyz(_request: Request) -> Response:
            return self._readyz(await stores.get())

        return Starlette(routes=[Route("/healthz", self._healthz), Route("/readyz", readyz), *more])

    async def _healthz(self, _request: Request) -> Response:
        """Answer 503 if a restart would help: when the consumer hangs, not when Redis is unreachable."""
        faults, lasting = self.liveness.faults(monotonic()), self.watchdog.lasting()
        sick = {part: faults.get(part, f"for {lasted_s:.0f} s") for part, lasted_s in lasting.items()}
        return JSONResponse({"status": "stuck" if sick else "ok", "faults": sick}, 503 if sick else 200)

    def _readyz(self, stores: dict[str, str]) -> Response:
        """Answer 200 if this worker can take and finish chunks now."""
        now = monotonic()
        own = dict.fromkeys(("loop", "consumer", "pool", "tasks"), "") | self.liveness.faults(now)
        said = {**stores, "heartbeat": self.liveness.heartbeat_fault(now)} | own
        parts = {part: {"is_ok": not detail, "detail": detail} for part, detail in said.items()}
        is_ready = not any(said.values()) and self.liveness.consumer_at is not None
        slots = {"total": self.liveness.slots, "busy": self.liveness.busy}
        content = {"ready": is_ready, "parts": parts, "slots": slots, "release": self.parts.settings.release}
        return JSONResponse(content, 200 if is_ready else 503)

    async def _ask_stores(self, bars: BarsFolder) -> dict[str, str]:
        """Try a small write on each server that a worker needs; return the fault of each, or ""."""
        questions = {
            "broker": self._poll_broker(),
            "redis": self.parts.store.try_write(),
            "ledger": self.parts.history.try_write(),
        }
        if bars.is_here:
            questions["bars"] = bars.try_write()
        faults = await asyncio.gather(*map(_ask, questions.values()))
        return dict(zip(questions, faults, strict=True))

    async def _poll_broker(self) -> None:
        await self.parts.dispatcher.try_write()
        for queue in self.queues():
            await self.parts.dispatcher.depth(queue)
