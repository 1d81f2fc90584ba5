"""Open dashboards as browsers keep them: a page, its stream, and the page anew after changes."""

import asyncio
import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvloop

from benchmarks.rig.load import Request, build_request, run_load
from benchmarks.rig.stack import INGEST, ROOT, Served

#: How often a page is taken anew at the most, as `refresh.js` does.
_AGAIN_S = 5.0
_SETTLED_S = 12.0
_SUBMIT_EVERY_S = 0.5


@contextmanager
def open_dashboards(api: Served, count: int, seconds: float) -> Iterator[dict[str, float]]:
    """Keep dashboards open in a process of their own, which takes no time of who measures; jobs keep coming.

    After the block the dictionary has the events and pages a second.
    """
    argv = [sys.executable, "-m", "benchmarks.rig.dashboards", str(api.port), str(api.pid), str(count), str(seconds)]
    process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = {}
    try:
        assert process.stdin  # it is a pipe
        process.stdin.write(f"{api.token}\n")
        process.stdin.flush()
        time.sleep(_SETTLED_S)
        yield found
        out, _ = process.communicate(timeout=60)
        if process.returncode:
            sys.exit("a dashboard failed")
        found |= json.loads(out)
    finally:
        process.kill()


def ask_meanwhile(api: Served, seconds: float) -> list[float]:
    """Return the milliseconds of answers of the API that one caller takes, 20 a second."""
    job = api.get(f"{INGEST}/jobs?limit=1")["items"][0]
    targets = itertools.cycle([f"{INGEST}/jobs?limit=50", job["links"]["self"], "/api/v1/jobs/stats"])
    latencies, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        requests = iter([Request(build_request("GET", next(targets), token=api.token))])
        latencies += run_load(api.port, requests, connections=1).latencies_ms
        time.sleep(0.05)
    return latencies


def p95_ms(latencies: list[float]) -> float:
    """Return the latency that 95 of 100 kept."""
    return sorted(latencies)[int(len(latencies) * 0.95)]


@dataclass
class _Dashboards:
    """Dashboards on one API; of four, two show the jobs, one the overview, one a job."""

    api: Served
    count: int
    events: int = 0
    pages: int = 0

    async def keep(self, seconds: float) -> dict[str, float]:
        """Open them, let them settle, and return what comes a second."""
        work = [asyncio.create_task(self._submit())]
        await asyncio.sleep(1)
        work += [asyncio.create_task(each) for each in self._all()]
        await asyncio.sleep(_SETTLED_S - 1)
        self.events = self.pages = 0
        _, pending = await asyncio.wait(work, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if len(pending) < len(work):
            raise RuntimeError("a dashboard ended")
        found = {"events/s": self.events / seconds, "pages/s": self.pages / seconds}
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        return found

    def _all(self) -> Iterator[Coroutine[None, None, None]]:
        job = self.api.get(f"{INGEST}/jobs?limit=1")["items"][0]
        shown = [("/jobs", 0.0), ("/", _AGAIN_S), ("/jobs", 0.0), (f"/jobs/ingest/{job['job_id']}", _AGAIN_S)]
        for number, (page, again_s) in enumerate(itertools.islice(itertools.cycle(shown), self.count)):
            # Not all at once, as people do not.
            yield self._keep_open(page, again_s, after_s=number * 0.02)

    async def _submit(self) -> None:
        for request in self.api.submissions(100_000, chunks=4):
            await self._exchange(request.raw)
            await asyncio.sleep(_SUBMIT_EVERY_S)

    async def _keep_open(self, page: str, again_s: float, *, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._load(page)
        last, taken_at = "", time.monotonic()
        while True:
            async for text in self._follow(f"/live/jobs?after={last}" if last else "/live/jobs"):
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


def main() -> None:
    """Keep dashboards open, as `open_dashboards` asks."""
    port, pid, count, seconds = sys.argv[1:]
    api = Served(int(pid), int(port), sys.stdin.readline().strip())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_Dashboards(api, int(count)).keep(float(seconds)))))


if __name__ == "__main__":
    main()
