"""A whole Kaboom, and a place for workers, that tests kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.servers.servers import open_folder
from tests.fixtures.servers.stacks import Stack, stack
from tests.fixtures.workers.workers import Place, empty_place


@pytest.fixture(scope="module")
def up_alone() -> Iterator[Stack]:
    """A `kaboom up` with one worker process, so that chunks are long and one after another."""
    with open_folder() as folder, stack(folder / "data", concurrency=1) as running:
        yield running


@pytest.fixture
def place(redis_url: str, database_url: str, tmp_path: Path) -> Place:
    """Where a worker runs, with nothing in its Redis and its ledger."""
    return empty_place(redis_url, database_url, tmp_path)
