"""One lab for the whole lane."""

from collections.abc import Iterator

import pytest

from tests.fixtures.jobs.apps import TOKEN
from tests.n8n.lab.install import Installation, install
from tests.n8n.lab.lab import Lab, open_lab


@pytest.fixture(scope="session")
def installation() -> Installation:
    """The real n8n; the first time for a lock it takes minutes."""
    return install()


@pytest.fixture(scope="session")
def whole_lab(installation: Installation) -> Iterator[Lab]:
    """Everything, running."""
    with open_lab(installation) as opened:
        yield opened
        assert opened.n8n.outside == []
        assert opened.n8n.files_with(TOKEN) == []


@pytest.fixture
def lab(whole_lab: Lab) -> Iterator[Lab]:
    """Everything, whole before the test and after it."""
    yield whole_lab
    whole_lab.heal()
