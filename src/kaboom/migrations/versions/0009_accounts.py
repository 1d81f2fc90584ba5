"""Users, tokens, browser sessions, and an audit log that is append-only."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_GUARD = """
CREATE FUNCTION guard_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.at < now() - interval '400 days' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$
"""
_ROWS = """
CREATE TRIGGER audit_log_rows BEFORE UPDATE OR DELETE ON audit_log
FOR EACH ROW EXECUTE FUNCTION guard_audit_log()
"""
_WHOLE = """
CREATE TRIGGER audit_log_whole BEFORE TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION guard_audit_log()
"""


def _at(name: str, *, is_now: bool = False, nullable: bool = False) -> sa.Column[Any]:
    default = sa.func.clock_timestamp() if is_now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _text(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.Text, primary_key=True),
        *_text("owner"),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        *_text("password_hash", "role"),
        sa.Column("is_disabled", sa.Boolean, nullable=False, server_default="false"),
        _at("created_at", is_now=True),
        _at("changed_at", is_now=True),
    )
    op.create_index("users_of_owner", "users", ["owner", "name"])
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.Text, primary_key=True),
        *_text("owner", "name"),
        sa.Column("scopes", postgresql.ARRAY(sa.Text), nullable=False),
        *_text("digest", "created_by"),
        _at("expires_at", nullable=True),
        _at("created_at", is_now=True),
        _at("last_used_at", nullable=True),
        _at("revoked_at", nullable=True),
    )
    op.create_index("tokens_of_owner", "tokens", ["owner", "created_at"])
    _create_sessions()
    _create_audit_log()


def _create_sessions() -> None:
    op.create_table(
        "browser_sessions",
        sa.Column("session_id", sa.Text, primary_key=True),
        *_text("subject", "owner", "name", "method"),
        sa.Column("role", sa.Text),
        sa.Column("scopes", postgresql.ARRAY(sa.Text), nullable=False),
        _at("created_at"),
        _at("seen_at"),
        _at("expires_at"),
    )
    op.create_index("browser_sessions_expiry", "browser_sessions", ["expires_at"])
    op.create_table("sign_outs", sa.Column("subject", sa.Text, primary_key=True), _at("at"))


def _create_audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("line_id", sa.Text, primary_key=True),
        sa.Column("place", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
        _at("at", is_now=True),
        *_text("owner", "subject", "name", "method", "action", "target"),
        sa.Column("status", sa.Integer, nullable=False),
        *_text("address", "request_id"),
    )
    op.create_index("audit_log_newest", "audit_log", ["owner", "place"])
    op.create_index("audit_log_age", "audit_log", ["at"])
    for statement in (_GUARD, _ROWS, _WHOLE):
        op.execute(statement)


def downgrade() -> None:
    for table in ("audit_log", "sign_outs", "browser_sessions", "tokens", "users"):
        op.drop_table(table)
    op.execute("DROP FUNCTION guard_audit_log()")
