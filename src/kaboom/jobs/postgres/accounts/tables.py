"""The tables of accounts; `src/kaboom/migrations` creates them."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Index, Integer, Row, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import func

from kaboom.jobs.postgres.accounts.model import AuditLine, BrowserSession, Token, User
from kaboom.jobs.postgres.tables import METADATA, texts
from kaboom.web.auth.scopes import Role, Scope

USERS = Table(
    "users",
    METADATA,
    Column("user_id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False, unique=True),
    *texts("password_hash", "role"),
    Column("is_disabled", Boolean, nullable=False, server_default="false"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Index("users_of_owner", "owner", "name"),
)

TOKENS = Table(
    "tokens",
    METADATA,
    Column("token_id", Text, primary_key=True),
    *texts("owner", "name"),
    Column("scopes", ARRAY(Text), nullable=False),
    *texts("digest", "created_by"),
    Column("expires_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("last_used_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Index("tokens_of_owner", "owner", "created_at"),
)

SESSIONS = Table(
    "browser_sessions",
    METADATA,
    Column("session_id", Text, primary_key=True),
    *texts("subject", "owner", "name", "method"),
    Column("role", Text),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("address", Text, nullable=False, server_default=""),
    Column("agent", Text, nullable=False, server_default=""),
    Column("confirmed_at", DateTime(timezone=True)),
    Index("browser_sessions_expiry", "expires_at"),
    Index("browser_sessions_of_owner", "owner", "seen_at"),
)

SIGN_OUTS = Table(
    "sign_outs",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
)

# Append-only: triggers reject an update of a line, and a delete before AUDIT_KEPT_DAYS.
AUDIT_LOG = Table(
    "audit_log",
    METADATA,
    Column("line_id", Text, primary_key=True),
    Column("place", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    *texts("owner", "subject", "name", "method", "action", "target"),
    Column("status", Integer, nullable=False),
    *texts("address", "request_id"),
    Column("reason", Text, nullable=False, server_default=""),
    Index("audit_log_newest", "owner", "place"),
    Index("audit_log_age", "at"),
)


def dump_scopes(scopes: frozenset[Scope]) -> list[str]:
    """Return scopes as they are stored."""
    return sorted(scope.value for scope in scopes)


def parse_user(row: Row[Any]) -> User:
    """Return the user that a row holds."""
    return User(**(_values(row) | {"role": Role(row.role)}))


def parse_token(row: Row[Any]) -> Token:
    """Return the token that a row holds."""
    return Token(**(_values(row) | {"scopes": _parse_scopes(row.scopes)}))


def parse_session(row: Row[Any]) -> BrowserSession:
    """Return the session that a row holds."""
    role = Role(row.role) if row.role else None
    return BrowserSession(**(_values(row) | {"role": role, "scopes": _parse_scopes(row.scopes)}))


def parse_line(row: Row[Any]) -> AuditLine:
    """Return the audit line that a row holds."""
    return AuditLine(**_values(row))


def _values(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001  the public name of a row's mapping, in SQLAlchemy's words


def _parse_scopes(names: list[str]) -> frozenset[Scope]:
    # During a rollout a newer release may store scopes that this release does not know: ignore them.
    return frozenset(Scope(name) for name in names if name in set(Scope))
