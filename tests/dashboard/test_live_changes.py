"""Changed jobs wait in the order in which they changed, and leave in it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

import pytest

from kaboom.dashboard import live
from kaboom.dashboard.live import LiveChanges

pytestmark = pytest.mark.anyio


class Feed:
    """A stream of some changes, that then stays open."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        self._texts = texts
        self.is_read = asyncio.Event()

    async def watch(self, owner: str, *, after: str = "") -> AsyncGenerator[bytes]:
        """Yield the changes."""
        assert owner == "ingest"
        for text in self._texts:
            yield text
        self.is_read.set()
        await asyncio.Event().wait()


def change(number: int, job_id: str) -> bytes:
    return f'id: {number}\nevent: job\ndata: {{"queue": "market_data", "job_id": "{job_id}"}}\n\n'.encode()


async def heard(*texts: bytes) -> LiveChanges:
    """Return the changes after a stream was read."""
    feed = Feed([b": hello\n\n", *texts])
    changes = LiveChanges(cast("Any", feed), "ingest", after="")
    listening = asyncio.create_task(changes.listen())
    await asyncio.wait_for(feed.is_read.wait(), 10)
    listening.cancel()
    return changes


def paths(*job_ids: str) -> list[str]:
    return [f"/api/v1/market-data/jobs/{job_id}" for job_id in job_ids]


async def test_jobs_leave_in_the_order_in_which_they_changed() -> None:
    changes = await heard(*(change(n, name) for n, name in enumerate("cabd", start=1)))
    assert changes.news.is_set()
    assert changes.next(3) == (paths("c", "a", "b"), "")
    assert changes.next(3) == (paths("d"), "4")
    assert not changes.news.is_set()
    assert changes.next(3) == ([], "4")


async def test_a_job_that_changes_again_keeps_its_place() -> None:
    changes = await heard(change(1, "a"), change(2, "b"), change(3, "a"))
    assert changes.next(10) == (paths("a", "b"), "3")


async def test_jobs_that_could_not_be_sent_are_the_first_again() -> None:
    changes = await heard(change(1, "a"), change(2, "b"), change(3, "c"))
    sent, _ = changes.next(2)
    changes.put_back(sent)
    assert changes.news.is_set()
    assert changes.next(10) == (paths("a", "b", "c"), "3")


async def test_too_many_changes_are_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_MOST_WAITING", 2)
    changes = await heard(change(1, "a"), change(2, "b"), change(3, "c"))
    assert (changes.is_reset, changes.next(10)) == (True, ([], "3"))
    # As many as may wait, one of them twice, are none too many.
    changes = await heard(change(1, "a"), change(2, "b"), change(3, "a"))
    assert (changes.is_reset, changes.next(10)) == (False, (paths("a", "b"), "3"))


async def test_a_reset_of_the_stream_drops_what_waits() -> None:
    changes = await heard(change(1, "a"), b"id: 2\nevent: reset\ndata: {}\n\n")
    assert (changes.is_reset, changes.next(10)) == (True, ([], "2"))
