"""The loop of notifications: what a step does, how often it looks for events, and what does not end it."""

import asyncio
from collections.abc import Sequence
from datetime import date

import pytest

from kaboom.errors import StoreError
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.notify import notifier as module
from kaboom.notify.jobs import DELIVER
from kaboom.notify.model import MessageQuery
from kaboom.notify.notifier import Notifier
from kaboom.notify.store import open_notifications
from tests.fixtures.jobs.job_runs import messages
from tests.fixtures.notifications.rules import make_event, set_up

pytestmark = pytest.mark.anyio


async def miss_nothing(_session: date) -> Sequence[tuple[str, str]]:
    return []


def notifier_of(parts: Parts) -> Notifier:
    return Notifier(Jobs(parts), miss_nothing)


def count_calls(notifier: Notifier, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each scan and each purge adds its name."""
    stores, made = notifier._notifications, list[str]()

    async def list_lost() -> list[object]:
        made.append("scan")
        return []

    async def purge(_now: object) -> int:
        made.append("purge")
        return 0

    monkeypatch.setattr(notifier._watched.store, "list_lost", list_lost)
    monkeypatch.setattr(stores.log, "purge", purge)
    return made


async def test_an_event_becomes_a_message_and_a_job_of_its_channel_and_owner(parts: Parts) -> None:
    stores = parts.database.open(open_notifications)
    channel, rule = await set_up(stores)
    await stores.events.note([make_event("job_ended:1"), make_event("job_ended:2")])
    await notifier_of(parts).step()
    (ref,) = messages(parts)
    job = await parts.history.load(ref.queue, ref.job_id)
    assert job is not None
    assert (job.task, job.request, job.owner) == (DELIVER.name, {"channel_id": channel.channel_id}, "team")
    kept = await stores.log.list_messages(MessageQuery("team"))
    assert {message.rule_id for message in kept} == {rule.rule_id}
    assert len(kept) == 2


async def test_events_are_looked_for_every_15_s_and_old_messages_once_an_hour(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier = notifier_of(parts)
    made = count_calls(notifier, monkeypatch)

    async def step_after(seconds: float) -> list[str]:
        made.clear()
        notifier._due_at = {name: at - seconds for name, at in notifier._due_at.items()}
        await notifier.step()
        return sorted(made)

    assert await step_after(0) == ["purge", "scan"]
    assert await step_after(14) == []
    assert await step_after(1) == ["scan"]
    assert await step_after(3585) == ["purge", "scan"]


async def test_a_step_goes_on_after_a_scan_that_failed(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = parts.database.open(open_notifications)
    await set_up(stores)
    await stores.events.note([make_event()])
    notifier = notifier_of(parts)

    async def fail(_now: object) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(stores.log, "purge", fail)
    await notifier.step()
    assert len(messages(parts)) == 1


async def test_neither_an_unavailable_store_nor_a_bug_ends_the_loop(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEP_S", 0.0)
    notifier, has_gone_on = notifier_of(parts), asyncio.Event()
    failures = iter([StoreError("away"), RuntimeError("a bug")])

    async def step() -> None:
        if error := next(failures, None):
            raise error
        has_gone_on.set()

    monkeypatch.setattr(notifier, "step", step)
    running = asyncio.create_task(notifier.run())
    await asyncio.wait_for(has_gone_on.wait(), 5)
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
