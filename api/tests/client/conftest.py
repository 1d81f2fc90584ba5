"""A running Kaboom with a few bars, and a client of it."""

from collections.abc import Iterator

import pytest

import kaboom
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.stacks import Api, serving

SYMBOLS = ("6758", "7203")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API that runs its jobs itself."""
    with serving(tmp_path_factory.mktemp("client") / "data") as api:
        yield api


@pytest.fixture(scope="session")
def kb(server: Api) -> kaboom.Kaboom:
    """A client of it; three months of daily bars of two symbols are held."""
    found = kaboom.connect(server.url, TOKEN)
    found.submit("ingest.run_daily", intervals={"1d": 70}, symbols=list(SYMBOLS)).wait(timeout_s=120)
    return found
