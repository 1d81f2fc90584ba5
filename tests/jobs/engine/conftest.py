"""A task whose handlers the tests write."""

from collections.abc import Iterator

import pytest

from kaboom.catalog import CATALOG
from tests.fixtures.workers.handlers import SCRIPT, SCRIPTED, planning, settle_all


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The catalogue's task runs what `SCRIPT` says; by default it plans three chunks and settles them."""
    monkeypatch.setitem(CATALOG._by_name, SCRIPTED.name, SCRIPTED)
    SCRIPT.update(plan=planning(), chunk=settle_all)
    yield
    SCRIPT.clear()
