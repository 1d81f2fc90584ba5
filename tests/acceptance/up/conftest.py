"""Kabooms as a user starts them, one for all tests of a file."""

from collections.abc import Iterator

import pytest

from tests.fixtures.servers.servers import open_folder
from tests.fixtures.servers.stacks import Stack, stack


@pytest.fixture(scope="module")
def up() -> Iterator[Stack]:
    """A `kaboom up` with a folder for files of bars, which may call back on this machine."""
    with open_folder() as folder:
        (folder / "files").mkdir()
        files = str(folder / "files")
        with stack(folder / "data", KABOOM_FILE_DIR=files, KABOOM_WEBHOOK_HOSTS="127.0.0.1") as running:
            yield running
