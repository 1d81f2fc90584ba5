"""The courier sends what is due to real receivers: again where they fail, once each where all is well, never lost."""

import asyncio
import logging
from collections import Counter

import psycopg
import pytest

from kaboom.drivers.http.poster import HttpPoster
from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.errors import StoreError
from kaboom.jobs.callbacks.webhooks import DELAYS_S, Webhook, WebhookSender
from kaboom.jobs.engine import webhook_sender as module
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.webhook_sender import PER_HOST, SLOTS, Courier, run_courier
from kaboom.jobs.postgres.memory import MemoryJobHistory
from kaboom.jobs.postgres.outbox import LEASE_S, Delivery, DeliveryStatus
from kaboom.jobs.postgres.port import JobHistory
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from kaboom.telemetry.logs import configure_logging, tap_lines
from tests.fixtures.jobs.jobs import OWNER
from tests.fixtures.jobs.outboxes import deliveries, due, pass_time
from tests.fixtures.servers.receivers import TRUSTING, Receiver, receiving

pytestmark = pytest.mark.anyio


def courier_of(ledger: JobHistory, **poster: float) -> Courier:
    return Courier(ledger.outbox, WebhookSender(TRUSTING, HttpPoster(**poster)), chance=lambda: 0.0)  # type: ignore[arg-type]


async def round_of(courier: Courier) -> int:
    """Send what is due, and wait for it."""
    count = await courier.start_due()
    await asyncio.gather(*courier._running)
    return count


async def look(ledger: JobHistory, delivery: Delivery) -> Delivery:
    found = await ledger.outbox.load(OWNER, delivery.delivery_id)
    assert found is not None
    return found


async def until_arrived(receiver: Receiver, count: int) -> None:
    for _ in range(count):
        assert await asyncio.to_thread(receiver.arrived.acquire, timeout=30)


async def test_what_is_due_is_delivered_once() -> None:
    ledger = MemoryJobHistory()
    with receiving() as receiver:
        delivery = await due(ledger, receiver.url)
        courier = courier_of(ledger)
        assert [await round_of(courier) for _ in range(3)] == [1, 0, 0]
        (seen,) = receiver.seen
    assert seen.verify()["data"]["job_id"] == delivery.job_id
    kept = await look(ledger, delivery)
    assert (kept.status, kept.last_status, kept.attempts) == (DeliveryStatus.DELIVERED, 200, 1)


async def test_a_receiver_that_fails_is_called_by_the_table_and_then_given_up() -> None:
    ledger = MemoryJobHistory()
    with receiving() as receiver:
        receiver.script(500)
        delivery = await due(ledger, receiver.url)
        courier = courier_of(ledger)
        assert await round_of(courier) == 1
        for delay_s in DELAYS_S:
            await pass_time(ledger, delay_s - 2)
            assert await round_of(courier) == 0
            await pass_time(ledger, 3)
            assert await round_of(courier) == 1
        ids = {seen.headers["webhook-id"] for seen in receiver.seen}
        bodies = {seen.body for seen in receiver.seen}
    assert (len(receiver.seen), ids, len(bodies)) == (10, {delivery.delivery_id}, 1)
    kept = await look(ledger, delivery)
    assert (kept.status, kept.last_error) == (DeliveryStatus.DEAD, "the receiver answered 500")


async def test_a_dead_one_is_delivered_by_a_replay() -> None:
    ledger = MemoryJobHistory()
    with receiving() as receiver:
        receiver.script(410, 200)
        delivery = await due(ledger, receiver.url)
        courier = courier_of(ledger)
        await round_of(courier)
        assert (await look(ledger, delivery)).status is DeliveryStatus.DEAD
        assert await ledger.outbox.replay(OWNER, delivery.delivery_id)
        await round_of(courier)
        assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 1
    assert (await look(ledger, delivery)).status is DeliveryStatus.DELIVERED


async def test_a_crash_after_the_sending_sends_it_again_with_the_same_id() -> None:
    ledger = MemoryJobHistory()
    with receiving() as receiver:
        delivery = await due(ledger, receiver.url)
        (claimed,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        # The process sends, and dies before it can write that down.
        sender = WebhookSender(TRUSTING)
        await sender.send(Webhook(claimed.delivery_id, claimed.url, str(claimed.body)))
        courier = courier_of(ledger)
        assert await round_of(courier) == 0
        await pass_time(ledger, LEASE_S + 1)
        assert await round_of(courier) == 1
        first, second = receiver.seen
    assert first.verify() == second.verify()
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery.delivery_id
    assert (await look(ledger, delivery)).status is DeliveryStatus.DELIVERED


async def test_a_slow_receiver_holds_up_nobody_else() -> None:
    ledger = MemoryJobHistory()
    with receiving() as slow, receiving() as quick:
        slow.open.clear()
        for _ in range(2 * SLOTS):
            await due(ledger, slow.url)
        for _ in range(10):
            await due(ledger, quick.url)
        running = asyncio.create_task(courier_of(ledger).run())
        await until_arrived(quick, 10)
        await until_arrived(slow, PER_HOST)
        assert len(slow.seen) == PER_HOST
        slow.open.set()
        await until_arrived(slow, 2 * SLOTS - PER_HOST)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert len(quick.seen) == 10


async def test_couriers_of_several_processes_send_each_one_once(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE webhook_deliveries")
    engines = [connect_postgres(database_url, application_name="test") for _ in range(3)]
    ledgers = [PostgresJobHistory(engine) for engine in engines]
    with receiving() as receiver:
        made = [(await due(ledgers[0], receiver.url)).delivery_id for _ in range(40)]
        running = [asyncio.create_task(courier_of(ledger).run()) for ledger in ledgers]
        await until_arrived(receiver, len(made))
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        seen = Counter(received.headers["webhook-id"] for received in receiver.seen)
    assert seen == Counter(made)
    for engine in engines:
        await engine.dispose()


async def test_a_courier_waits_for_an_unavailable_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    ledger = MemoryJobHistory()
    with receiving() as receiver:
        delivery = await due(ledger, receiver.url)
        outbox, failures = ledger.outbox, iter(range(3))
        claim = outbox.claim

        async def failing(**words: object) -> list[Delivery]:
            if next(failures, None) is not None:
                raise StoreError("away")
            return await claim(**words)  # type: ignore[arg-type]

        monkeypatch.setattr(outbox, "claim", failing)
        running = asyncio.create_task(courier_of(ledger).run())
        await until_arrived(receiver, 1)
        assert next(failures, None) is None
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert [seen.headers["webhook-id"] for seen in receiver.seen] == [delivery.delivery_id]


async def test_an_end_that_the_ledger_does_not_take_at_once_is_kept_later(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = MemoryJobHistory()
    with receiving() as receiver:
        delivery = await due(ledger, receiver.url)
        save, failures = ledger.outbox.save_attempt, iter(range(2))

        async def failing(*words: object) -> bool:
            if next(failures, None) is not None:
                raise StoreError("away")
            return await save(*words)  # type: ignore[arg-type]

        monkeypatch.setattr(ledger.outbox, "save_attempt", failing)
        await round_of(courier_of(ledger))
        assert len(receiver.seen) == 1
    assert (await look(ledger, delivery)).status is DeliveryStatus.DELIVERED


async def test_a_bug_in_one_delivery_leaves_it_to_its_lease_and_logs_no_url(caplog: pytest.LogCaptureFixture) -> None:
    ledger, url = MemoryJobHistory(), "https://receiver.example/s3cret"

    async def fail(_host: str, _port: int) -> list[str]:
        raise RuntimeError(f"a bug with {url}")

    configure_logging(log_format="json", level="INFO")
    logging.getLogger().addHandler(caplog.handler)
    lines: list[str] = []
    ended = tap_lines(lambda line: lines.append(str(line)))
    courier = Courier(ledger.outbox, WebhookSender(TRUSTING, HttpPoster(lookup=fail)))
    with receiving() as receiver:
        broken, whole = await due(ledger, url), await due(ledger, receiver.url)
        assert await round_of(courier) == 2
        assert len(receiver.seen) == 1
    assert (await look(ledger, whole)).status is DeliveryStatus.DELIVERED
    assert (await look(ledger, broken)).status is DeliveryStatus.PENDING
    assert await round_of(courier) == 0
    await pass_time(ledger, LEASE_S + 1)
    assert await round_of(courier) == 1
    ended()
    written = "".join(lines) + caplog.text
    assert "RuntimeError" in written
    assert "s3cret" not in written


async def test_without_a_secret_nothing_runs(parts: Parts) -> None:
    with receiving() as receiver:
        delivery = await due(parts.history, receiver.url)
        await asyncio.wait_for(run_courier(parts), timeout=30)
        assert receiver.seen == []
    # It is left for a process that has one.
    assert await look(parts.history, delivery) == delivery


async def test_no_log_line_holds_a_signature(caplog: pytest.LogCaptureFixture) -> None:
    configure_logging(log_format="json", level="DEBUG")
    logging.getLogger().addHandler(caplog.handler)
    lines: list[str] = []
    ended = tap_lines(lambda line: lines.append(str(line)))
    ledger = MemoryJobHistory()
    with receiving() as receiver:
        receiver.script(500)
        await due(ledger, receiver.url)
        await round_of(courier_of(ledger))
    await due(ledger, "http://127.0.0.1:1/hook?signature=s3cret")
    await round_of(courier_of(ledger))
    ended()
    written = "".join(lines) + caplog.text
    assert written.count("webhook_sent") >= 2
    assert "s3cret" not in written
    assert len(await deliveries(ledger)) == 2
