"""`kaboom doctor` names a server that is full, or stops between its check and the next question."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from operator import attrgetter

import pytest

from kaboom.cli.doctor import find_servers
from kaboom.cli.session import Session
from kaboom.drivers.clock import utc_now
from kaboom.errors import StoreError
from kaboom.jobs.engine.parts import Parts
from kaboom.notify.model import MANY_FAILURES
from kaboom.notify.store import open_notifications
from kaboom.schedules.store import open_schedules
from kaboom.settings import load_settings
from kaboom.web.auth.principals import DEFAULT_OWNER
from tests.fixtures.jobs.memory_parts import memory_parts
from tests.fixtures.jobs.schedules import make_schedule
from tests.fixtures.notifications.rules import make_channel

pytestmark = pytest.mark.anyio


@pytest.fixture
def parts() -> Parts:
    """Memory twins, every one sound."""
    return memory_parts(load_settings(), name="doctor@test:1")


@pytest.mark.parametrize(
    ("part", "store_of", "question"),
    [
        ("workers", attrgetter("store"), "workers"),
        ("schedules", lambda parts: parts.database.open(open_schedules), "list_schedules"),
    ],
)
async def test_a_server_that_stops_after_its_check_is_a_finding(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, part: str, store_of: Callable[[Parts], object], question: str
) -> None:
    async def stopped(*_: object) -> None:
        raise StoreError("the server stopped")

    monkeypatch.setattr(store_of(parts), question, stopped)
    (found,) = [finding for finding in await find_servers(Session(), parts) if finding.part == part]
    assert (found.verdict, found.detail) == ("fault", "the server stopped")
    assert found.mend == "run `kaboom doctor` again"


@pytest.mark.parametrize(
    ("part", "holder", "message", "mend"),
    [
        ("redis", "store", "MISCONF No space left", "give Redis more room: free its disk, or raise its maxmemory"),
        ("database", "history", "DiskFull: No space left", "give PostgreSQL more room: free its disk"),
        (
            "database",
            "history",
            "no connection to PostgreSQL was free: too many clients already",
            "raise max_connections of PostgreSQL, or put a pooler in front of it",
        ),
    ],
)
async def test_a_full_server_needs_the_room_that_it_can_be_given(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, part: str, holder: str, message: str, mend: str
) -> None:
    async def full() -> None:
        raise StoreError(message)

    monkeypatch.setattr(getattr(parts, holder), "try_write", full)
    (found,) = [finding for finding in await find_servers(Session(), parts) if finding.part == part]
    assert (found.verdict, found.detail, found.mend) == ("fault", message, mend)


@pytest.mark.parametrize(("failures", "verdict"), [(MANY_FAILURES - 1, "ok"), (MANY_FAILURES, "warning")])
async def test_a_channel_that_keeps_failing_is_a_finding(parts: Parts, failures: int, verdict: str) -> None:
    channel = make_channel(owner=DEFAULT_OWNER, name="data-ops", failures=failures)
    await parts.database.open(open_notifications).rules.add_channel(channel)
    (found,) = [finding for finding in await find_servers(Session(), parts) if finding.part == "notifications"]
    assert found.verdict == verdict
    assert ("data-ops" in found.detail) == (verdict == "warning")


@pytest.mark.parametrize(("slots", "mend"), [(0, "kaboom worker"), (4, "check the log of a worker's main process")])
async def test_an_overdue_schedule_needs_a_worker_or_its_log(parts: Parts, slots: int, mend: str) -> None:
    late = await parts.database.open(open_schedules).add(make_schedule(owner=DEFAULT_OWNER))
    hour_ago = utc_now() - timedelta(hours=1)
    await parts.database.open(open_schedules).change(
        DEFAULT_OWNER, late.schedule_id, lambda s, _: replace(s, next_at=hour_ago)
    )
    if slots:
        await parts.store.report_worker("worker@test:1", slots)
    found = {finding.part: finding for finding in await find_servers(Session(), parts)}
    assert found["workers"].verdict == ("ok" if slots else "warning")
    assert (found["schedules"].verdict, found["schedules"].detail) == (
        "fault", "one is 60 min overdue: no worker fires it"
    )  # fmt: skip
    assert found["schedules"].mend.startswith(mend)
