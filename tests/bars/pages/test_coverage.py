"""Coverage that a page store remembers is never older than the last commit, of whichever process."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from kaboom.bars.pages import headers
from kaboom.bars.pages.files import PageFiles
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.pages.write import write_bars
from kaboom.errors import StoreError
from tests.fixtures.bars.stored_bars import JUNE_2, MINUTES, at, bar, frame

pytestmark = pytest.mark.anyio
YEAR = {"first": date(2025, 1, 1), "last": date(2025, 12, 31)}
_WRITE_ONE = """
import asyncio, sys
from datetime import date
from pathlib import Path
from kaboom.bars.pages.store import PageBarStore
from tests.fixtures.bars.stored_bars import MINUTES, at, bar, frame
asyncio.run(PageBarStore(Path(sys.argv[1])).write(MINUTES, frame(bar("6758", at(date(2025, 6, 2), 1)))))
"""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[PageBarStore]:
    store = PageBarStore(tmp_path)
    await store.write(MINUTES, frame(bar("7203", at(JUNE_2)), bar("7203", at(date(2025, 7, 1)))))
    yield store
    await store.close()


async def count(store: PageBarStore) -> list[tuple[str, int]]:
    """Ask both reader threads, each with a connection and a memory of its own."""
    found = await asyncio.gather(*(store.coverage(MINUTES, **YEAR) for _ in range(8)))
    assert all(one.equals(found[0]) for one in found)
    return found[0].select("symbol", "bars").rows()


async def test_a_write_of_this_process_is_seen(store: PageBarStore) -> None:
    assert await count(store) == [("7203", 1), ("7203", 1)]
    await store.write(MINUTES, frame(bar("7203", at(JUNE_2, 1))))
    assert await count(store) == [("7203", 2), ("7203", 1)]


async def test_a_write_of_another_process_is_seen(store: PageBarStore, tmp_path: Path) -> None:
    assert await count(store) == [("7203", 1), ("7203", 1)]
    path = {"PYTHONPATH": ":".join(sys.path)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _WRITE_ONE, str(tmp_path), env=path)
    assert await process.wait() == 0
    assert await count(store) == [("6758", 1), ("7203", 1), ("7203", 1)]


async def test_other_days_are_counted_anew(store: PageBarStore) -> None:
    await count(store)
    some = await store.coverage(MINUTES, first=date(2025, 6, 3), last=date(2025, 7, 1))
    assert some["session"].to_list() == [date(2025, 7, 1)]
    assert (await store.coverage(MINUTES, first=JUNE_2, last=JUNE_2)).height == 1
    assert await count(store) == [("7203", 1), ("7203", 1)]


def test_the_same_connection_may_write(tmp_path: Path) -> None:
    files = PageFiles(tmp_path)
    for minute in range(3):
        write_bars(files, MINUTES, frame(bar("7203", at(JUNE_2, minute))))
        assert headers.coverage(files, MINUTES, **YEAR)["bars"].to_list() == [minute + 1]
    files.close()


def test_what_is_remembered_is_not_counted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = PageFiles(tmp_path)
    write_bars(files, MINUTES, frame(bar("7203", at(JUNE_2))))
    first = headers.coverage(files, MINUTES, **YEAR)
    monkeypatch.setattr(headers, "count_pages", lambda *_: pytest.fail("counted again"))
    assert headers.coverage(files, MINUTES, **YEAR).equals(first)
    # The same month whatever is asked around it; another part of it is another question.
    assert headers.coverage(files, MINUTES, first=date(2025, 5, 1), last=date(2025, 7, 31)).equals(first)
    with pytest.raises(pytest.fail.Exception):
        headers.coverage(files, MINUTES, first=date(2025, 6, 2), last=date(2025, 7, 31))
    files.close()


async def test_reading_changes_no_version(store: PageBarStore, tmp_path: Path) -> None:
    for month in range(1, 13):
        await store.write(MINUTES, frame(bar("7203", at(date(2025, month, 3)))))
    await store.close()
    # More files than a thread keeps open: SQLite makes an empty log where one is opened, and removes it.
    reader = PageBarStore(tmp_path)
    version = await reader.version()
    for first, last in ((1, 2), (1, 12), (9, 12)):
        await reader.coverage(MINUTES, first=date(2025, first, 1), last=date(2025, last, 28))
        assert await reader.version() == version
    await reader.close()


async def test_latest_opens_no_older_file_than_it_needs(store: PageBarStore, tmp_path: Path) -> None:
    await store.write(MINUTES, frame(bar("1301", at(JUNE_2))))
    (tmp_path / "synthetic/1m/2025-05.sqlite").write_bytes(b"not a page file, and nobody looks")
    assert (await store.latest(MINUTES, ["7203"]))["opened_at"].to_list() == [at(date(2025, 7, 1))]
    assert (await store.latest(MINUTES, ["1301", "7203"]))["opened_at"].to_list() == [at(JUNE_2), at(date(2025, 7, 1))]
    for symbols in ([], ["9999"]):  # who may be in any
        with pytest.raises(StoreError):
            await store.latest(MINUTES, symbols)
