"""Many clients of one job's event stream, which come back with `Last-Event-ID` when they are cut off."""

import asyncio
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import httpx2

from tests.fixtures.jobs.apps import JOBS, TOKEN


class Watchers:
    """Watch a job with many clients, spread over some APIs, on an event loop of their own."""

    def __init__(self, urls: Sequence[str], job_id: str, *, count: int) -> None:
        self._urls = urls
        self._path = f"{JOBS}/{job_id}/events"
        self._count = count
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="watchers", daemon=True)
        self.connected = 0
        self.reconnects = 0

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._thread.start()
        self._work = asyncio.run_coroutine_threadsafe(self._watch_all(), self._loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to watch."""
        self._work.cancel()
        asyncio.run_coroutine_threadsafe(_settle(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def results(self, *, within_s: float) -> list[list[str]]:
        """Return the ids that each watcher saw, in the order that it saw them, once the job's end was told."""
        return self._work.result(within_s)

    async def _watch_all(self) -> list[list[str]]:
        limits = httpx2.Limits(max_connections=None)
        timeout = httpx2.Timeout(10, read=None)
        headers = {"x-ingest-token": TOKEN}
        async with httpx2.AsyncClient(limits=limits, timeout=timeout, headers=headers, trust_env=False) as client:
            return list(await asyncio.gather(*(self._watch(client, n) for n in range(self._count))))

    async def _watch(self, client: httpx2.AsyncClient, number: int) -> list[str]:
        ids: list[str] = []
        tries = 0
        while not await self._follow(client, self._urls[(number + tries) % len(self._urls)], ids):
            tries += 1
            self.reconnects += 1
            await asyncio.sleep(0.2)
        return ids

    async def _follow(self, client: httpx2.AsyncClient, url: str, ids: list[str]) -> bool:
        """Read events until the stream ends; return whether the job's last one was among them."""
        headers = {"Last-Event-ID": ids[-1]} if ids else {}
        try:
            async with client.stream("GET", url + self._path, headers=headers) as answer:
                if answer.status_code == 204:
                    return True
                if answer.status_code != 200:
                    return False
                self.connected += not ids
                async for line in answer.aiter_lines():
                    # One by one: what came before a cut counts.
                    ids += [line[4:].strip()] if line.startswith("id: ") else []
        except (httpx2.HTTPError, OSError):
            return False
        return False


async def _settle() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
