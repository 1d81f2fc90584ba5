"""Events and messages, kept by PostgreSQL and by memory alike: each event is routed once, each attempt fenced."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from uuid import uuid4

import pytest

from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.jobs.postgres.outbox import AttemptEnd, DeliveryStatus
from kaboom.notify.model import LEASE, Message, MessageQuery, Notifications, Placement, Rule
from kaboom.notify.notifier import route
from kaboom.notify.setup import make_test
from tests.fixtures.notifications.rules import NOW, later, make_channel, make_event, make_rule, set_up

pytestmark = pytest.mark.anyio
ROUTE = partial(route, now=NOW)
DELIVERED = AttemptEnd(DeliveryStatus.DELIVERED, 200)


def retried(delay_s: float = 5) -> AttemptEnd:
    return AttemptEnd(DeliveryStatus.PENDING, 503, "the receiver answered 503", delay_s)


async def messages(stores: Notifications) -> list[Message]:
    return await stores.log.list_messages(MessageQuery("team"))


async def tell(stores: Notifications, *events: Event) -> None:
    await stores.events.note(events)
    await stores.log.fan_out(ROUTE, NOW)


async def test_an_event_is_kept_once(stores: Notifications) -> None:
    await set_up(stores)
    for _ in range(3):
        await tell(stores, make_event("job_ended:1"), make_event("job_ended:2"))
    assert [message.event_ids for message in await messages(stores)] == [("job_ended:2",), ("job_ended:1",)]


async def test_without_an_enabled_rule_nothing_is_kept(stores: Notifications) -> None:
    channel, _ = await set_up(stores, is_enabled=False)
    await stores.events.note([make_event("job_ended:1")])
    await stores.rules.add_rule(make_rule(channel))
    assert await stores.log.fan_out(ROUTE, NOW) == 0


async def test_each_rule_has_a_message_of_its_own(stores: Notifications) -> None:
    channel, first = await set_up(stores)
    second = await stores.rules.add_rule(make_rule(channel, language="en"))
    await stores.rules.add_rule(make_rule(channel, EventKind.WORKER_LOST))
    await tell(stores, make_event())
    assert sorted((m.rule_id, m.rule_name, m.language) for m in await messages(stores)) == sorted(
        (rule.rule_id, rule.name, rule.language) for rule in (first, second)
    )


async def test_many_that_route_at_once_route_each_event_once(stores: Notifications) -> None:
    await set_up(stores)
    await stores.events.note([make_event() for _ in range(40)])
    await asyncio.gather(*(stores.log.fan_out(ROUTE, NOW) for _ in range(4)))
    while await stores.log.fan_out(ROUTE, NOW):
        pass
    found = [event_id for message in await messages(stores) for event_id in message.event_ids]
    assert len(found) == len(set(found)) == 40


async def test_a_digest_takes_events_until_its_first_attempt(stores: Notifications) -> None:
    channel, _ = await set_up(stores, digest_minutes=60)
    await tell(stores, make_event("job_ended:1"), make_event("job_ended:2"))
    assert [message.event_ids for message in await messages(stores)] == [("job_ended:1", "job_ended:2")]
    assert await stores.log.claim(channel.channel_id, NOW) is None
    claimed = await stores.log.claim(channel.channel_id, later(3600))
    assert claimed
    assert [event.event_id for event in claimed.events] == ["job_ended:1", "job_ended:2"]
    # A clock that is behind puts one into the digest that was just sent.
    await tell(stores, make_event("job_ended:3"))
    assert [message.event_ids for message in await messages(stores)] == [
        ("job_ended:3",),
        ("job_ended:1", "job_ended:2"),
    ]


async def test_a_message_belongs_to_who_claimed_it(stores: Notifications) -> None:
    channel, _ = await set_up(stores)
    await tell(stores, make_event())
    assert await stores.log.due_channels(NOW) == [("team", channel.channel_id)]
    first = await stores.log.claim(channel.channel_id, NOW)
    assert first
    assert (first.message.attempts, first.message.status) == (1, DeliveryStatus.PENDING)
    assert (await stores.log.claim(channel.channel_id, NOW), await stores.log.due_channels(NOW)) == (None, [])
    after = NOW + LEASE
    second = await stores.log.claim(channel.channel_id, after)
    assert second
    assert second.message.attempts == 2
    # The first one is late.
    assert not await stores.log.save_attempt(first.message, DELIVERED, took_ms=1, now=after)
    assert await stores.log.save_attempt(second.message, DELIVERED, took_ms=2, now=after)
    (kept,) = await messages(stores)
    assert (kept.status, kept.took_ms, kept.ended_at, kept.next_attempt_at) == (
        DeliveryStatus.DELIVERED,
        2,
        after,
        None,
    )


async def test_oldest_message_is_sent_first(stores: Notifications) -> None:
    channel, _ = await set_up(stores)
    for number in (1, 2, 3):
        await tell(stores, make_event(f"job_ended:{number}"))
    claimed = [await stores.log.claim(channel.channel_id, NOW) for _ in range(3)]
    assert [each and each.message.event_ids for each in claimed] == [
        ("job_ended:1",),
        ("job_ended:2",),
        ("job_ended:3",),
    ]


async def test_many_that_claim_at_once_get_a_message_each(stores: Notifications) -> None:
    channel, _ = await set_up(stores)
    await tell(stores, *(make_event() for _ in range(5)))
    claimed = await asyncio.gather(*(stores.log.claim(channel.channel_id, NOW) for _ in range(8)))
    assert len({each.message.message_id for each in claimed if each}) == 5
    assert sum(each is None for each in claimed) == 3


async def test_a_channel_rests_longer_after_each_failure(stores: Notifications) -> None:
    channel, _ = await set_up(stores)
    await tell(stores, make_event(), make_event())
    rests = []
    for _ in range(3):
        now = (await stores.rules.load_channel("team", channel.channel_id)).rests_until or NOW
        claimed = await stores.log.claim(channel.channel_id, now)
        assert claimed
        await stores.log.save_attempt(claimed.message, retried(), took_ms=1, now=now)
        resting = await stores.rules.load_channel("team", channel.channel_id)
        assert resting.rests_until
        rests.append((resting.rests_until - now).total_seconds())
        assert (await stores.log.due_channels(now), await stores.log.claim(channel.channel_id, now)) == ([], None)
    assert rests == [5, 10, 20]
    claimed = await stores.log.claim(channel.channel_id, later(600))
    assert claimed
    await stores.log.save_attempt(claimed.message, DELIVERED, took_ms=1, now=later(600))
    rested = await stores.rules.load_channel("team", channel.channel_id)
    assert (rested.failures, rested.rests_until) == (0, None)


async def test_each_attempt_changes_its_own_channel_alone(stores: Notifications) -> None:
    first, second = [(await set_up(stores))[0] for _ in range(2)]
    await tell(stores, make_event("job_ended:1"), make_event("job_ended:2"))
    ends = (retried(), DELIVERED, AttemptEnd(DeliveryStatus.DEAD, 410, "gone"))
    fields = []
    for channel, end in zip((second, first, second), ends, strict=True):
        other = first if channel is second else second
        before = await stores.rules.load_channel("team", other.channel_id)
        claimed = await stores.log.claim(channel.channel_id, later(60))
        assert claimed
        assert (claimed.channel.channel_id, claimed.message.channel_id) == (channel.channel_id, channel.channel_id)
        assert [event.event_id for event in claimed.events] == list(claimed.message.event_ids)
        await stores.log.save_attempt(claimed.message, end, took_ms=1, now=NOW)
        assert await stores.rules.load_channel("team", other.channel_id) == before
        changed = await stores.rules.load_channel("team", channel.channel_id)
        fields.append((changed.is_enabled, changed.failures, changed.rests_until))
    assert fields == [(True, 1, later(5)), (True, 0, None), (False, 1, later(5))]


async def test_a_receiver_that_is_gone_turns_its_channel_off(stores: Notifications) -> None:
    channel, _ = await set_up(stores)
    await tell(stores, make_event(), make_event())
    claimed = await stores.log.claim(channel.channel_id, NOW)
    assert claimed
    await stores.log.save_attempt(claimed.message, AttemptEnd(DeliveryStatus.DEAD, 410, "gone"), took_ms=1, now=NOW)
    assert not (await stores.rules.load_channel("team", channel.channel_id)).is_enabled
    assert await stores.log.due_channels(NOW) == []
    await stores.rules.change_channel("team", channel.channel_id, {"is_enabled": True})
    assert await stores.log.due_channels(NOW) == [("team", channel.channel_id)]


async def test_a_dead_letter_is_sent_again(stores: Notifications) -> None:
    channel, _ = await set_up(stores)
    await tell(stores, make_event())
    claimed = await stores.log.claim(channel.channel_id, NOW)
    assert claimed
    message_id = claimed.message.message_id
    assert await stores.log.replay("team", message_id, NOW) is None
    await stores.log.save_attempt(claimed.message, AttemptEnd(DeliveryStatus.DEAD, 400, "no"), took_ms=1, now=NOW)
    assert await stores.log.replay("other", message_id, NOW) is None
    again = await stores.log.replay("team", message_id, NOW)
    assert again
    assert (again.status, again.attempts, again.ended_at) == (DeliveryStatus.PENDING, 0, None)
    second = await stores.log.claim(channel.channel_id, NOW)
    assert second
    assert second.message.message_id == message_id


async def test_each_channel_has_messages_of_its_own_and_one_is_replayed_alone(stores: Notifications) -> None:
    (first, _), (second, _) = await set_up(stores), await set_up(stores, EventKind.WORKER_LOST)
    idle = await stores.rules.add_channel(make_channel())
    await tell(stores, make_event("job_ended:1"), make_event("job_ended:2"))
    assert await stores.log.due_channels(NOW) == [("team", first.channel_id)]
    for empty in (second, idle):
        assert await stores.log.claim(empty.channel_id, NOW) is None
    dead = AttemptEnd(DeliveryStatus.DEAD, 400, "no")
    for _ in range(2):
        claimed = await stores.log.claim(first.channel_id, NOW)
        assert claimed
        assert (claimed.channel.channel_id, claimed.message.channel_id) == (first.channel_id, first.channel_id)
        assert tuple(event.event_id for event in claimed.events) == claimed.message.event_ids
        await stores.log.save_attempt(claimed.message, dead, took_ms=1, now=NOW)
    assert await stores.rules.load_channel("team", second.channel_id) == second
    assert await stores.rules.load_channel("team", idle.channel_id) == idle
    one, other = await messages(stores)
    for message in (one, other):
        assert await stores.log.load_message("team", message.message_id) == message
        assert await stores.log.load_message("other", message.message_id) is None
    again = await stores.log.replay("team", one.message_id, NOW)
    assert again
    assert again.message_id == one.message_id
    assert [message.status for message in await messages(stores)] == [DeliveryStatus.PENDING, DeliveryStatus.DEAD]
    assert (await messages(stores))[1] == other


async def test_messages_are_listed_newest_first_by_page(stores: Notifications) -> None:
    channel, rule = await set_up(stores)
    for n in range(5):
        await tell(stores, make_event(f"job_ended:{n}"))
    query = MessageQuery("team", limit=2)
    first = await stores.log.list_messages(query)
    rest = await stores.log.list_messages(replace(query, before=first[-1].place, limit=9))
    assert [m.event_ids[0][-1] for m in (*first, *rest)] == ["4", "3", "2", "1", "0"]
    for found in (
        MessageQuery("team", rule_id=rule.rule_id),
        MessageQuery("team", channel_id=channel.channel_id, statuses=frozenset({DeliveryStatus.WAITING})),
    ):
        assert len(await stores.log.list_messages(found)) == 5
    for none in (MessageQuery("other"), MessageQuery("team", statuses=frozenset({DeliveryStatus.DEAD}))):
        assert await stores.log.list_messages(none) == []


async def test_what_was_sent_is_counted_by_rule(stores: Notifications) -> None:
    channel, rule = await set_up(stores)
    await tell(stores, make_event(), make_event())
    claimed = await stores.log.claim(channel.channel_id, NOW)
    assert claimed
    await stores.log.save_attempt(claimed.message, DELIVERED, took_ms=1, now=NOW)
    assert await stores.log.count_sent("team", NOW) == {rule.rule_id: 1}
    assert await stores.log.count_sent("team", later(1)) == await stores.log.count_sent("other", NOW) == {}


async def test_a_test_needs_no_rule(stores: Notifications) -> None:
    channel = await stores.rules.add_channel(make_channel())
    message, event = make_test("team", channel, "ja")
    kept = await stores.log.add_message(message, event)
    assert kept.next_attempt_at
    claimed = await stores.log.claim(channel.channel_id, kept.next_attempt_at)
    assert claimed
    assert (claimed.events, claimed.channel, claimed.message.rule_id) == ((event,), channel, "")
    assert await stores.log.load_events([event.event_id, uuid4().hex]) == {event.event_id: event}
    assert await stores.log.fan_out(ROUTE, NOW) == 0


async def test_old_messages_are_dropped(stores: Notifications) -> None:
    channel, _ = await set_up(stores)
    await tell(stores, make_event(), make_event())
    claimed = await stores.log.claim(channel.channel_id, NOW)
    assert claimed
    await stores.log.save_attempt(claimed.message, DELIVERED, took_ms=1, now=NOW)
    assert await stores.log.purge(later(86_400 * 30)) == 0
    assert await stores.log.purge(later(86_400 * 30 + 1)) == 1
    assert [message.status for message in await messages(stores)] == [DeliveryStatus.WAITING]


async def test_a_rule_that_fails_leaves_the_event_for_later(stores: Notifications) -> None:
    await set_up(stores)
    await stores.events.note([make_event()])

    def broken(_event: Event, _rules: Sequence[Rule]) -> Sequence[Placement]:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        await stores.log.fan_out(broken, NOW)
    assert await stores.log.fan_out(ROUTE, NOW) == 1
