"""The parts of a process in memory, and a task whose handlers the tests write."""

from collections.abc import Iterator

import pytest

from kaboom.catalog import CATALOG
from kaboom.jobs.engine.parts import Parts
from kaboom.settings import load_settings
from tests.fixtures.jobs.memory_parts import memory_parts
from tests.fixtures.workers.handlers import SCRIPT, SCRIPTED, planning, settle_all


@pytest.fixture
def parts() -> Parts:
    """Memory twins throughout."""
    return memory_parts(load_settings(bar_store="memory", provider="synthetic"))


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The catalogue's task runs what `SCRIPT` says; by default it plans three chunks and settles them."""
    monkeypatch.setitem(CATALOG._by_name, SCRIPTED.name, SCRIPTED)
    SCRIPT.update(plan=planning(), chunk=settle_all)
    yield
    SCRIPT.clear()
