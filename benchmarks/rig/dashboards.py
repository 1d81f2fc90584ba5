"""Open dashboards as browsers keep them: a page, its stream, and the page anew after changes."""

import asyncio
import itertools
import re
import sys
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import uvloop

from benchmarks.rig.load import Request, build_request, run_load
from benchmarks.rig.stack import INGEST, Served

#: How often a page is taken anew at the most, as `refresh.js` and `job.js` do.
_OVERVIEW_S, _JOB_S = 5.0, 1.0
_SUBMIT_EVERY_S = 0.5


@dataclass
class OpenDashboards:
    """Some dashboards on one API; of four, two show the jobs, one the overview, one a job."""

    api: Served
    count: int
    events: int = 0
    pages: int = 0
    _is_over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _fault: BaseException | None = None

    def __enter__(self) -> Self:
        """Open them all, and keep jobs coming."""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        time.sleep(10)
        self.events = self.pages = 0
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close them."""
        self._is_over.set()
        if self._thread:
            self._thread.join()
        if self._fault:
            sys.exit(f"a dashboard failed: {self._fault!r}")

    def ask_meanwhile(self, seconds: float) -> list[float]:
        """Return the milliseconds of answers of the API that one caller takes, 20 a second."""
        job = self.api.get(f"{INGEST}/jobs?limit=1")["items"][0]
        targets = itertools.cycle([f"{INGEST}/jobs?limit=50", job["links"]["self"], "/api/v1/jobs/stats"])
        latencies, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            requests = iter([Request(build_request("GET", next(targets), token=self.api.token))])
            latencies += run_load(self.api.port, requests, connections=1).latencies_ms
            time.sleep(0.05)
        return latencies

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._open_all())
        except BaseException as e:  # noqa: BLE001  told by the thread that waits
            self._fault = e

    async def _open_all(self) -> None:
        work = [asyncio.create_task(self._submit())]
        await asyncio.sleep(1)
        job = self.api.get(f"{INGEST}/jobs?limit=1")["items"][0]
        path = f"/jobs/ingest/{job['job_id']}"
        shown = [("/jobs", "/live/jobs", 0.0), ("/", "/live/jobs", _OVERVIEW_S), ("/jobs", "/live/jobs", 0.0)]
        shown += [(path, "/live/jobs", _JOB_S * 5)]
        for page, stream, again_s in itertools.islice(itertools.cycle(shown), self.count):
            work.append(asyncio.create_task(self._keep_open(page, stream, again_s)))
            await asyncio.sleep(0.02)
        while not self._is_over.is_set():
            await asyncio.sleep(0.1)
            for task in work:
                if task.done():
                    task.result()
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)

    async def _submit(self) -> None:
        for request in self.api.submissions(100_000, chunks=4):
            await self._exchange(request.raw)
            await asyncio.sleep(_SUBMIT_EVERY_S)

    async def _keep_open(self, page: str, stream: str, again_s: float) -> None:
        await self._load(page)
        last, taken_at = "", time.monotonic()
        while True:
            async for text in self._follow(f"{stream}?after={last}" if last else stream):
                self.events += 1
                if found := re.findall(rb"\nid: (\S+)", text):
                    last = found[-1].decode()
                if again_s and b"event: rows" in text and time.monotonic() - taken_at > again_s:
                    taken_at = time.monotonic()
                    await self._load(page, is_part=True)

    async def _load(self, page: str, *, is_part: bool = False) -> None:
        self.pages += 1
        raw = build_request("GET", page, token=self.api.token, accept="text/html")
        answer = await self._exchange(raw.replace(b"Accept:", b"HX-Request: true\r\nAccept:") if is_part else raw)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer[:300])

    async def _follow(self, path: str) -> AsyncIterator[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.api.port)
        try:
            writer.write(build_request("GET", path, token=self.api.token, accept="text/event-stream"))
            while text := await reader.read(262_144):
                yield text
        finally:
            writer.close()

    async def _exchange(self, raw: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.api.port)
        try:
            writer.write(raw.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
            return await reader.read(-1)
        finally:
            writer.close()


def p95_ms(latencies: list[float]) -> float:
    """Return the latency that 95 of 100 kept."""
    return sorted(latencies)[int(len(latencies) * 0.95)]
