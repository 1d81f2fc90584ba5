"""The file of corporate actions: what its disk and other processes can do to it."""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from kaboom.bars.actions.sqlite import SqliteActionStore
from kaboom.errors import StoreError
from tests.fixtures.bars.noted_actions import note

DAY = date(2025, 11, 4)


def save(root: Path, first: int) -> None:
    """Save some notes one by one, in a process of its own."""

    async def save_all() -> None:
        store = SqliteActionStore(root)
        for number in range(first, first + 10):
            await store.save("synthetic", note(str(number), DAY))

    asyncio.run(save_all())


def test_several_processes_may_write_at_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        for done in [pool.submit(save, tmp_path, first) for first in (1000, 2000, 3000)]:
            done.result(timeout=60)
    held = asyncio.run(SqliteActionStore(tmp_path).load("synthetic"))
    assert held["symbol"].to_list() == [str(first + n) for first in (1000, 2000, 3000) for n in range(10)]


def test_a_file_of_another_format_is_reported(tmp_path: Path) -> None:
    (tmp_path / "synthetic").mkdir()
    path = tmp_path / "synthetic" / "actions.sqlite"
    path.write_bytes(b"this is no database" * 100)
    store = SqliteActionStore(tmp_path)
    for work in (store.load("synthetic"), store.save("synthetic", note("7203", DAY))):
        with pytest.raises(StoreError, match=r"actions\.sqlite") as caught:
            asyncio.run(work)
        assert not caught.value.retryable


def test_a_file_that_is_just_being_made_has_no_notes(tmp_path: Path) -> None:
    (tmp_path / "synthetic").mkdir()
    (tmp_path / "synthetic" / "actions.sqlite").touch()
    assert asyncio.run(SqliteActionStore(tmp_path).load("synthetic")).is_empty()


def test_a_failure_to_create_the_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "synthetic").write_text("in the way of the folder")
    with pytest.raises(StoreError, match="synthetic"):
        asyncio.run(SqliteActionStore(tmp_path).save("synthetic", note("7203", DAY)))
