"""Channels and rules, kept by PostgreSQL and by memory alike."""

from dataclasses import replace

import psycopg
import pytest

from kaboom.errors import Conflict, NotFound
from kaboom.jobs.postgres.events import EventKind
from kaboom.notify.model import MAX_CHANNELS, Notifications
from tests.fixtures.notifications.rules import make_channel, make_rule, postgres_notifications, set_up

pytestmark = pytest.mark.anyio


async def test_a_channel_is_returned_as_it_was_kept(stores: Notifications) -> None:
    new = make_channel(sealed=b"\x00\xff", is_enabled=False)
    kept = await stores.rules.add_channel(new)
    assert replace(kept, created_at=None, updated_at=None) == new
    assert await stores.rules.load_channel("team", new.channel_id) == kept
    assert await stores.rules.list_channels("team") == [kept]


async def test_a_rule_is_returned_as_it_was_kept(stores: Notifications) -> None:
    channel = await stores.rules.add_channel(make_channel())
    new = make_rule(
        channel,
        EventKind.DATA_INCOMPLETE,
        EventKind.ALERT,
        only={"market": ("TSE_PRIME", "TSE_GROWTH")},
        quiet_from="22:00",
        quiet_until="07:00",
        digest_minutes=60,
        deadline="18:00",
        language="en",
    )
    kept = await stores.rules.add_rule(new)
    assert replace(kept, created_at=None, updated_at=None) == new
    assert await stores.rules.load_rule("team", new.rule_id) == kept
    assert await stores.rules.list_deadlines() == {"18:00"}
    await stores.rules.change_rule("team", new.rule_id, {"is_enabled": False})
    assert await stores.rules.list_deadlines() == set()


async def test_a_rule_is_read_without_the_kinds_of_events_of_a_newer_release(database_url: str) -> None:
    async with postgres_notifications(database_url) as stores:
        _, rule = await set_up(stores, EventKind.ALERT)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("UPDATE notification_rules SET events = events || ARRAY['of_a_newer_release']")
        assert [found.events for found in await stores.rules.list_rules("team")] == [rule.events]


async def test_another_owner_finds_neither(stores: Notifications) -> None:
    channel, rule = await set_up(stores)
    assert (await stores.rules.list_channels("other"), await stores.rules.list_rules("other")) == ([], [])
    for question in (
        stores.rules.load_channel("other", channel.channel_id),
        stores.rules.change_channel("other", channel.channel_id, {"name": "x"}),
        stores.rules.delete_channel("other", channel.channel_id),
        stores.rules.load_rule("other", rule.rule_id),
        stores.rules.change_rule("other", rule.rule_id, {"name": "x"}),
        stores.rules.delete_rule("other", rule.rule_id),
        stores.rules.add_rule(make_rule(channel, owner="other")),
    ):
        with pytest.raises(NotFound):
            await question


async def test_a_change_and_a_delete_leave_the_others_alone(stores: Notifications) -> None:
    channels = [await stores.rules.add_channel(make_channel(name=name)) for name in ("a", "b", "c")]
    rules = [await stores.rules.add_rule(make_rule(channels[0], name=name)) for name in ("x", "y", "z")]
    foreign = await stores.rules.add_channel(make_channel(owner="other"))

    assert (await stores.rules.change_channel("team", channels[1].channel_id, {"name": "d"})).name == "d"
    assert (await stores.rules.change_rule("team", rules[1].rule_id, {"name": "w"})).name == "w"
    assert await stores.rules.load_channel("team", channels[2].channel_id) == channels[2]
    assert await stores.rules.load_rule("team", rules[2].rule_id) == rules[2]

    await stores.rules.delete_channel("team", channels[1].channel_id)
    await stores.rules.delete_rule("team", rules[1].rule_id)
    assert await stores.rules.list_channels("team") == [channels[0], channels[2]]
    assert await stores.rules.list_rules("team") == [rules[0], rules[2]]
    assert await stores.rules.list_channels("other") == [foreign]


async def test_names_are_unique_among_an_owners(stores: Notifications) -> None:
    channel, rule = await set_up(stores)
    other = await stores.rules.add_channel(make_channel())
    await stores.rules.add_channel(make_channel(owner="other", name=channel.name))
    for question in (
        stores.rules.add_channel(make_channel(name=channel.name)),
        stores.rules.change_channel("team", other.channel_id, {"name": channel.name}),
        stores.rules.add_rule(make_rule(channel, name=rule.name)),
    ):
        with pytest.raises(Conflict, match="exists already"):
            await question


async def test_a_channel_that_a_rule_uses_is_not_dropped(stores: Notifications) -> None:
    channel, rule = await set_up(stores)
    with pytest.raises(Conflict, match="is used by a rule"):
        await stores.rules.delete_channel("team", channel.channel_id)
    await stores.rules.delete_rule("team", rule.rule_id)
    await stores.rules.delete_channel("team", channel.channel_id)
    assert await stores.rules.list_channels("team") == []


async def test_an_owner_has_so_many_channels_at_most(stores: Notifications) -> None:
    await stores.rules.add_channel(make_channel(owner="another"))
    for _ in range(MAX_CHANNELS):
        await stores.rules.add_channel(make_channel())
    with pytest.raises(Conflict, match="limit"):
        await stores.rules.add_channel(make_channel())
