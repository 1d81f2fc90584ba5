"""Channels and rules in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kaboom.drivers.clock import utc_now
from kaboom.errors import Conflict, NotFound
from kaboom.jobs.postgres.notifications.model import Channel, Rule
from kaboom.jobs.postgres.notifications.port import MAX_CHANNELS, MAX_RULES, in_use
from kaboom.jobs.postgres.refusals import name_taken, too_many


class MemoryNotificationRules:
    """`NotificationRules` in memory; `on_drop` is called with the id of each deleted channel."""

    def __init__(self, *, on_drop: Callable[[str], None]) -> None:
        self._on_drop = on_drop
        self.channels: dict[str, Channel] = {}
        self.rules: dict[str, Rule] = {}

    async def add_channel(self, channel: Channel) -> Channel:
        _check_new("channel", channel.name, await self.list_channels(channel.owner), MAX_CHANNELS)
        now = utc_now()
        self.channels[channel.channel_id] = replace(channel, created_at=now, updated_at=now)
        return self.channels[channel.channel_id]

    async def list_channels(self, owner: str) -> list[Channel]:
        found = [channel for channel in self.channels.values() if channel.owner == owner]
        return sorted(found, key=lambda channel: channel.name)

    async def load_channel(self, owner: str, channel_id: str) -> Channel:
        channel = self.channels.get(channel_id)
        if channel is None or channel.owner != owner:
            raise NotFound.of_id("channel", channel_id)
        return channel

    async def change_channel(self, owner: str, channel_id: str, values: Mapping[str, Any]) -> Channel:
        channel = await self.load_channel(owner, channel_id)
        others = [each for each in await self.list_channels(owner) if each is not channel]
        _check_new("channel", values.get("name"), others, MAX_CHANNELS)
        changed = replace(channel, **values, rests_until=None, failures=0, updated_at=utc_now())
        self.channels[channel_id] = changed
        return changed

    async def delete_channel(self, owner: str, channel_id: str) -> None:
        channel = await self.load_channel(owner, channel_id)
        if any(rule.channel_id == channel_id for rule in self.rules.values()):
            raise Conflict(in_use(channel.name))
        del self.channels[channel_id]
        self._on_drop(channel_id)

    async def add_rule(self, rule: Rule) -> Rule:
        await self.load_channel(rule.owner, rule.channel_id)
        _check_new("rule", rule.name, await self.list_rules(rule.owner), MAX_RULES)
        now = utc_now()
        self.rules[rule.rule_id] = replace(rule, created_at=now, updated_at=now)
        return self.rules[rule.rule_id]

    async def list_rules(self, owner: str) -> list[Rule]:
        return sorted((rule for rule in self.rules.values() if rule.owner == owner), key=lambda rule: rule.name)

    async def list_deadlines(self) -> set[str]:
        return {rule.deadline for rule in self.rules.values() if rule.is_enabled and rule.deadline}

    async def load_rule(self, owner: str, rule_id: str) -> Rule:
        rule = self.rules.get(rule_id)
        if rule is None or rule.owner != owner:
            raise NotFound.of_id("rule", rule_id)
        return rule

    async def change_rule(self, owner: str, rule_id: str, values: Mapping[str, Any]) -> Rule:
        rule = await self.load_rule(owner, rule_id)
        if "channel_id" in values:
            await self.load_channel(owner, values["channel_id"])
        others = [each for each in await self.list_rules(owner) if each is not rule]
        _check_new("rule", values.get("name"), others, MAX_RULES)
        self.rules[rule_id] = replace(rule, **values, updated_at=utc_now())
        return self.rules[rule_id]

    async def delete_rule(self, owner: str, rule_id: str) -> None:
        await self.load_rule(owner, rule_id)
        del self.rules[rule_id]


def _check_new(what: str, name: str | None, others: Sequence[Channel | Rule], most: int) -> None:
    if len(others) >= most:
        raise Conflict(too_many(f"{what}s", most))
    if name is not None and name in {each.name for each in others}:
        raise Conflict(name_taken(what, name))
