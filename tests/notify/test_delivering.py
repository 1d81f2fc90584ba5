"""Messages held by quiet hours, gathered in digests and sent through outages, by a clock that the test moves."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import pytest

from kaboom.drivers.http.reply import Reply
from kaboom.jobs.postgres.events import EventKind
from kaboom.jobs.postgres.outbox import DeliveryStatus
from kaboom.notify.model import Claimed, MessageQuery, Notifications
from kaboom.notify.notifier import route
from kaboom.notify.tasks import Deliverer
from kaboom.notify.texts import Text
from tests.fixtures.notifications.rules import NOW, make_event, memory_notifications, set_up

pytestmark = pytest.mark.anyio


@dataclass
class Bench:
    """Stores, a clock, and a receiver that answers by the clock."""

    stores: Notifications = field(default_factory=memory_notifications)
    now: datetime = NOW
    away: tuple[datetime, datetime] = (NOW, NOW)
    status: int = 503
    got: list[tuple[datetime, str, Text]] = field(default_factory=list)
    tried: int = 0

    async def send(self, claimed: Claimed, text: Text) -> Reply:
        self.tried += 1
        if self.away[0] <= self.now < self.away[1]:
            return Reply(self.status)
        self.got.append((self.now, claimed.message.message_id, text))
        return Reply(204)

    async def run(self, channel_id: str, *, until: datetime, step_s: float = 1.0) -> None:
        """Do what the notifier and its jobs do, step by step."""
        deliverer = Deliverer(self.stores.log, self.send, lambda: self.now, lambda: 0.0)
        while self.now < until:
            await self.stores.log.fan_out(partial(route, now=self.now), self.now)
            for _, due in await self.stores.log.due_channels(self.now):
                assert due == channel_id
                while await deliverer.deliver_next(channel_id):
                    pass
            self.now += timedelta(seconds=step_s)


@pytest.fixture
def bench() -> Bench:
    """A bench whose clock stands at NOW."""
    return Bench()


async def test_quiet_hours_hold_each_message_until_they_end(bench: Bench) -> None:
    channel, _ = await set_up(bench.stores, quiet_from="16:00", quiet_until="17:00")
    await bench.stores.events.note([make_event(), make_event()])
    await bench.run(channel.channel_id, until=NOW + timedelta(minutes=25) - timedelta(seconds=1))
    assert bench.got == []
    await bench.run(channel.channel_id, until=NOW + timedelta(minutes=26))
    assert [at for at, _, _ in bench.got] == [NOW + timedelta(minutes=25)] * 2


async def test_a_digest_gathers_events_in_one_message(bench: Bench) -> None:
    channel, rule = await set_up(bench.stores, digest_at="18:30", language="en", name="jobs")
    for n in range(25):
        event = make_event(job_id=f"{n:032x}", task="ingest.run_daily")
        await bench.stores.events.note([event])
        await bench.run(channel.channel_id, until=NOW + timedelta(minutes=n), step_s=60)
    await bench.run(channel.channel_id, until=NOW + timedelta(hours=2), step_s=60)
    ((at, _, text),) = bench.got
    assert at == NOW + timedelta(minutes=115)
    assert text.title == f"[Kaboom] {rule.name}: 25 events"
    assert text.body.splitlines()[-1] == "and 5 more"
    assert len(text.body.splitlines()) == 21


async def test_an_outage_of_a_minute_delays_and_doubles_nothing(bench: Bench) -> None:
    channel, _ = await set_up(bench.stores)
    bench.away = (NOW, NOW + timedelta(seconds=60))
    await bench.stores.events.note([make_event() for _ in range(30)])
    await bench.run(channel.channel_id, until=NOW + timedelta(seconds=300))
    assert len({message_id for _, message_id, _ in bench.got}) == len(bench.got) == 30
    # An attempt for each rest of the channel, not for each message.
    assert bench.tried - 30 <= 5
    assert max(at for at, _, _ in bench.got) <= NOW + timedelta(seconds=120)


async def test_ten_attempts_make_a_dead_letter(bench: Bench) -> None:
    channel, _ = await set_up(bench.stores)
    bench.away = (NOW, NOW + timedelta(days=9))
    await bench.stores.events.note([make_event()])
    await bench.run(channel.channel_id, until=NOW + timedelta(days=1), step_s=60)
    (message,) = await bench.stores.log.list_messages(MessageQuery("team"))
    assert (message.status, message.attempts, bench.tried) == (DeliveryStatus.DEAD, 10, 10)
    assert (await bench.stores.rules.load_channel("team", channel.channel_id)).is_enabled


async def test_an_analysis_has_its_disclaimer(bench: Bench) -> None:
    channel, _ = await set_up(bench.stores, language="en")
    await bench.stores.events.note([make_event(queue="ai_analysis"), make_event(queue="ingest")])
    await bench.run(channel.channel_id, until=NOW + timedelta(seconds=3))
    has_it = ["neither an investment solicitation" in text.body for _, _, text in bench.got]
    assert has_it == [True, False]


async def test_the_deadline_of_another_rule_is_not_reported(bench: Bench) -> None:
    channel, _ = await set_up(bench.stores, EventKind.DATA_INCOMPLETE, deadline="18:00")
    values = {"market": "TSE_PRIME", "interval": "1m", "session": "2026-11-25"}
    for at in ("17:00", "18:00"):
        await bench.stores.events.note([make_event("", EventKind.DATA_INCOMPLETE, deadline=at, **values)])
    await bench.run(channel.channel_id, until=NOW + timedelta(seconds=3))
    assert [text.title for _, _, text in bench.got] == [
        "[Kaboom] 18:00 までにデータがそろっていません：TSE_PRIME 1m"  # noqa: RUF001  Japanese
    ]
