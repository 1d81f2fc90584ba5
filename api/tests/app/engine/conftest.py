"""The parts of a process in memory, and a task whose handlers the tests write."""

from collections.abc import Iterator

import pytest

from app.catalog import CATALOG
from app.engine.dispatch import LocalDispatcher
from app.engine.parts import Parts
from app.ledger.memory import MemoryJobHistory
from app.ledger.schedules.memory import MemoryScheduleStore
from app.live.memory import MemoryJobStore
from app.settings import load_settings
from tests.fixtures.workers.handlers import SCRIPT, SCRIPTED, planning, settle_all


@pytest.fixture
def parts() -> Parts:
    """Memory twins throughout."""
    settings = load_settings(bar_store="memory", provider="synthetic")
    store = MemoryJobStore()
    history = MemoryJobHistory()
    schedules = MemoryScheduleStore(history)
    return Parts(settings, store, history, LocalDispatcher(), store.events, schedules, CATALOG, "worker@test:1")


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The catalogue's task runs what `SCRIPT` says; by default it plans three chunks and settles them."""
    monkeypatch.setitem(CATALOG._by_name, SCRIPTED.name, SCRIPTED)
    SCRIPT.update(plan=planning(), chunk=settle_all)
    yield
    SCRIPT.clear()
