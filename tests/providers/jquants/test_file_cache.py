"""The folder of bulk files: small, tidy, and used by one process at a time."""

import asyncio
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import date
from pathlib import Path

import pytest

from kaboom.providers.jquants import file_cache, query
from kaboom.providers.jquants.file_cache import BulkFile, JquantsShelf, find_folder, parse_files, pick_files
from kaboom.providers.jquants.get import JquantsSource
from kaboom.providers.limiter.rate_limiter import NoRateLimit
from kaboom.providers.watch import while_alive
from tests.fixtures.providers.fake_jquants import API_KEY, FakeJquants, jquants_server

pytestmark = pytest.mark.anyio

DAYS = (date(2026, 11, 12), date(2026, 11, 13), date(2026, 11, 16))


@pytest.fixture
def fake() -> Iterator[FakeJquants]:
    with jquants_server() as fake:
        fake.files.first, fake.files.until = DAYS[0], DAYS[-1]
        yield fake


async def fetch(fake: FakeJquants, folder: Path, *days: date) -> list[Path]:
    source = JquantsSource.connect(fake.url, API_KEY, NoRateLimit())
    try:
        files = await find(source, days)
        return [await JquantsShelf(source, NoRateLimit(), folder).fetch(file) for file in files]
    finally:
        await source.close()


async def find(source: JquantsSource, days: tuple[date, ...]) -> list[BulkFile]:
    rows = await source.fetch_rows(query.ask_files(query.DAILY, days[0], days[-1]))
    return list(pick_files(parse_files(rows, query.DAILY), days))


def names(folder: Path) -> set[str]:
    return {place.name for place in folder.iterdir()}


async def test_what_is_not_wanted_for_a_day_goes(fake: FakeJquants, tmp_path: Path) -> None:
    first, second = await fetch(fake, tmp_path, *DAYS[:2])
    long_ago = time.time() - 90_000
    os.utime(first, (long_ago, long_ago))
    (tmp_path / "half.part").touch()
    (third,) = await fetch(fake, tmp_path, DAYS[2])
    assert names(tmp_path) == {second.name, third.name, "lock"}


async def test_the_oldest_go_beyond_what_is_kept(
    fake: FakeJquants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await fetch(fake, tmp_path, *DAYS[:2])
    for age, place in enumerate((second, first)):
        os.utime(place, (time.time() - 100 - age, time.time() - 100 - age))
    # Taken up again, the first is the newer one.
    assert await fetch(fake, tmp_path, DAYS[0]) == [first]
    monkeypatch.setattr(file_cache, "_KEPT_BYTES", int(first.stat().st_size * 2.5))
    (third,) = await fetch(fake, tmp_path, DAYS[2])
    assert names(tmp_path) == {first.name, third.name, "lock"}
    # The newest stays, whatever it weighs.
    monkeypatch.setattr(file_cache, "_KEPT_BYTES", 1)
    await fetch(fake, tmp_path, DAYS[1])
    assert names(tmp_path) == {second.name, "lock"}


async def test_who_waits_for_another_process_is_alive(fake: FakeJquants, tmp_path: Path) -> None:
    handle = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    signs = asyncio.Event()
    with while_alive(signs.set):
        waiting = asyncio.create_task(fetch(fake, tmp_path, DAYS[0]))
        await asyncio.wait_for(signs.wait(), 10)
    assert not fake.files.requests
    os.close(handle)
    (place,) = await waiting
    assert place.exists()


async def test_a_cancelled_download_leaves_no_draft_and_no_lock(fake: FakeJquants, tmp_path: Path) -> None:
    begun = asyncio.Event()

    class NotifyingRateLimiter(NoRateLimit):
        def permit(self) -> AbstractAsyncContextManager[None]:
            begun.set()
            return super().permit()

    source = JquantsSource.connect(fake.url, API_KEY, NoRateLimit())
    (file,) = await find(source, DAYS[:1])
    task = asyncio.create_task(JquantsShelf(source, NotifyingRateLimiter(), tmp_path).fetch(file))
    await asyncio.wait_for(begun.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await source.close()
    assert names(tmp_path) == {"lock"}
    assert len(await fetch(fake, tmp_path, DAYS[0])) == 1


async def test_on_a_mounted_bucket_the_files_stay_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_folder(tmp_path) == tmp_path / "jquants-bulk"
    monkeypatch.setattr("kaboom.providers.jquants.file_cache.is_in_user_space", lambda _: True)
    assert tmp_path not in find_folder(tmp_path).parents
