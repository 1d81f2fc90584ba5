"""Notifications: channels, rules, the events that they hear of, and the messages that tell them."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def _text(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text, nullable=nullable) for name in names]


def _at(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp())


def upgrade() -> None:
    op.create_table(
        "notification_channels",
        sa.Column("channel_id", sa.Text, primary_key=True),
        *_text("owner", "name", "kind", "service", "host"),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("is_enabled", sa.Boolean, nullable=False),
        sa.Column("rests_until", sa.DateTime(timezone=True)),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        _at("created_at"),
        _at("updated_at"),
    )
    op.create_index("notification_channels_of_owner", "notification_channels", ["owner", "name"], unique=True)
    op.create_table(
        "notification_rules",
        sa.Column("rule_id", sa.Text, primary_key=True),
        *_text("owner", "name"),
        sa.Column("channel_id", sa.Text, sa.ForeignKey("notification_channels.channel_id"), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("only", postgresql.JSONB, nullable=False),
        *_text("quiet_from", "quiet_until", "digest_at", nullable=True),
        sa.Column("digest_minutes", sa.Integer),
        *_text("deadline", nullable=True),
        *_text("language"),
        sa.Column("is_enabled", sa.Boolean, nullable=False),
        _at("created_at"),
        _at("updated_at"),
    )
    op.create_index("notification_rules_of_owner", "notification_rules", ["owner", "name"], unique=True)
    op.create_index("notification_rules_of_channel", "notification_rules", ["channel_id"])
    op.create_table(
        "notification_events",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("place", sa.BigInteger, sa.Identity(always=True), nullable=False),
        *_text("kind", "owner"),
        sa.Column("data", postgresql.JSONB, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _at("noted_at"),
        sa.Column("routed_at", sa.DateTime(timezone=True)),
    )
    is_new = sa.text("routed_at IS NULL")
    op.create_index("notification_events_new", "notification_events", ["place"], postgresql_where=is_new)
    op.create_index("notification_events_by_age", "notification_events", ["noted_at"])
    _create_messages()


def _create_messages() -> None:
    channel = sa.ForeignKey("notification_channels.channel_id", ondelete="CASCADE")
    op.create_table(
        "notification_messages",
        sa.Column("message_id", sa.Text, primary_key=True),
        sa.Column("place", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
        *_text("owner"),
        sa.Column("channel_id", sa.Text, channel, nullable=False),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("event_ids", postgresql.ARRAY(sa.Text), nullable=False),
        *_text("rule_id", "rule_name", "language", "status"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_status", sa.Integer),
        sa.Column("last_error", sa.Text),
        sa.Column("took_ms", sa.Integer),
        _at("created_at"),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
    )
    op.create_index(
        "notification_messages_due",
        "notification_messages",
        ["channel_id", "next_attempt_at"],
        postgresql_where=sa.text("status IN ('waiting', 'pending')"),
    )
    op.create_index("notification_messages_newest", "notification_messages", ["owner", "place"])
    ended = sa.text("ended_at IS NOT NULL")
    op.create_index("notification_messages_ended", "notification_messages", ["ended_at"], postgresql_where=ended)


def downgrade() -> None:
    for name in ("messages", "events", "rules", "channels"):
        op.drop_table(f"notification_{name}")
