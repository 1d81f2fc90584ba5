"""The tables of notifications; `src/kaboom/migrations` creates them."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Row,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql import func

from kaboom.drivers.postgres.engine import METADATA, texts
from kaboom.jobs.postgres.events import EventKind
from kaboom.jobs.postgres.outbox import DeliveryStatus
from kaboom.notify.model import Channel, ChannelKind, Message, Rule


def _at(name: str) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())


CHANNELS = Table(
    "notification_channels",
    METADATA,
    Column("channel_id", Text, primary_key=True),
    *texts("owner", "name", "kind", "service", "host"),
    Column("sealed", LargeBinary, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("rests_until", DateTime(timezone=True)),
    Column("failures", Integer, nullable=False, server_default="0"),
    _at("created_at"),
    _at("updated_at"),
    Index("notification_channels_of_owner", "owner", "name", unique=True),
)

RULES = Table(
    "notification_rules",
    METADATA,
    Column("rule_id", Text, primary_key=True),
    *texts("owner", "name"),
    Column("channel_id", Text, ForeignKey("notification_channels.channel_id"), nullable=False),
    Column("events", ARRAY(Text), nullable=False),
    Column("only", JSONB, nullable=False),
    *(Column(name, Text) for name in ("quiet_from", "quiet_until", "digest_at")),
    Column("digest_minutes", Integer),
    Column("deadline", Text),
    Column("language", Text, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    _at("created_at"),
    _at("updated_at"),
    Index("notification_rules_of_owner", "owner", "name", unique=True),
    Index("notification_rules_of_channel", "channel_id"),
)

MESSAGES = Table(
    "notification_messages",
    METADATA,
    Column("message_id", Text, primary_key=True),
    Column("place", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("channel_id", Text, ForeignKey("notification_channels.channel_id", ondelete="CASCADE"), nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("event_ids", ARRAY(Text), nullable=False),
    *texts("rule_id", "rule_name", "language", "status"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("took_ms", Integer),
    _at("created_at"),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Index(
        "notification_messages_due",
        "channel_id",
        "next_attempt_at",
        postgresql_where=text("status IN ('waiting', 'pending')"),
    ),
    Index("notification_messages_newest", "owner", "place"),
    Index("notification_messages_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
)


def parse_channel(row: Row[Any]) -> Channel:
    """Return the channel that a row of CHANNELS holds."""
    values = {column.name: getattr(row, column.name) for column in CHANNELS.c}
    return Channel(**(values | {"kind": ChannelKind(row.kind), "sealed": bytes(row.sealed)}))


def parse_rule(row: Row[Any]) -> Rule:
    """Return the rule that a row of RULES holds; event kinds that this version does not know are left out."""
    values = {column.name: getattr(row, column.name) for column in RULES.c}
    known = {kind.value for kind in EventKind}
    values["events"] = tuple(EventKind(name) for name in row.events if name in known)
    values["only"] = {name: tuple(found) for name, found in row.only.items()}
    return Rule(**values)


def parse_message(row: Row[Any]) -> Message:
    """Return the message that a row of MESSAGES holds."""
    values = {column.name: getattr(row, column.name) for column in MESSAGES.c}
    return Message(**(values | {"status": DeliveryStatus(row.status), "event_ids": tuple(row.event_ids)}))
