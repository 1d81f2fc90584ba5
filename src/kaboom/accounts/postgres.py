"""The accounts in PostgreSQL, in the database of the ledger; `src/kaboom/migrations` creates the tables."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, Column, DateTime, Index, Row, Table, Text, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from kaboom.accounts.model import (
    MAX_SESSIONS,
    MAX_TOKENS,
    MAX_USERS,
    SIGN_OUTS_KEPT_DAYS,
    TOKENS_KEPT_DAYS,
    TOUCH_S,
    BrowserSession,
    Token,
    User,
    UserChange,
    last_admin,
    no_token,
    no_user,
)
from kaboom.drivers.postgres.database import name_taken, too_many
from kaboom.drivers.postgres.engine import METADATA, AsyncEngine, Statements, open_transaction, texts
from kaboom.errors import Conflict, NotFound
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


def _values(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001  the public name of a row's mapping, in SQLAlchemy's words


def _parse_scopes(names: list[str]) -> frozenset[Scope]:
    # During a rollout a newer release may store scopes that this release does not know: ignore them.
    return frozenset(Scope(name) for name in names if name in set(Scope))


_NOW = func.clock_timestamp()


class PostgresAccountStore:
    """`AccountStore` on PostgreSQL 14 or newer."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._statements = Statements(engine)

    async def add_user(self, user: User) -> User:
        (count,) = await self._statements.fetch(select(func.count()).where(USERS.c.owner == user.owner))
        if count[0] >= MAX_USERS:
            raise Conflict(too_many("users", MAX_USERS))
        names = ("user_id", "owner", "name", "password_hash", "role", "is_disabled")
        values = {name: getattr(user, name) for name in names}
        async with open_transaction(self._engine, conflict=name_taken("user", user.name)) as connection:
            new = insert(USERS).values(values).returning(USERS)
            return parse_user((await connection.execute(new)).one())

    async def list_users(self, owner: str) -> list[User]:
        # Sort like Python, by code points, whatever the collation of the database.
        statement = select(USERS).where(USERS.c.owner == owner).order_by(USERS.c.name.collate("C"))
        return [parse_user(row) for row in await self._statements.fetch(statement)]

    async def load_user(self, user_id: str) -> User | None:
        rows = await self._statements.fetch(select(USERS).where(USERS.c.user_id == user_id))
        return parse_user(rows[0]) if rows else None

    async def find_user(self, name: str) -> User | None:
        rows = await self._statements.fetch(select(USERS).where(USERS.c.name == name))
        return parse_user(rows[0]) if rows else None

    async def change_user(self, owner: str, user_id: str, change: UserChange) -> User:
        update = USERS.update().where(USERS.c.owner == owner, USERS.c.user_id == user_id)
        changed = update.values(change.given() | {"changed_at": _NOW}).returning(USERS)
        active = (USERS.c.owner == owner, USERS.c.role == Role.ADMIN, USERS.c.is_disabled.is_(False))
        # Of two changes at once the second waits for these rows, and then sees what the first has left.
        admins = select(USERS.c.user_id, USERS.c.name).where(*active).order_by(USERS.c.user_id).with_for_update()
        async with open_transaction(self._engine) as connection:
            left = (await connection.execute(admins)).all() if change.ends_admin else []
            if [row.user_id for row in left] == [user_id]:
                raise Conflict(last_admin(left[0].name))
            row = (await connection.execute(changed)).one_or_none()
        if row is None:
            raise NotFound(no_user(user_id))
        return parse_user(row)

    async def add_token(self, token: Token) -> Token:
        valid = (TOKENS.c.revoked_at.is_(None), or_(TOKENS.c.expires_at.is_(None), TOKENS.c.expires_at > _NOW))
        (count,) = await self._statements.fetch(select(func.count()).where(TOKENS.c.owner == token.owner, *valid))
        if count[0] >= MAX_TOKENS:
            raise Conflict(too_many("tokens", MAX_TOKENS))
        names = ("token_id", "owner", "name", "digest", "created_by", "expires_at")
        values = {name: getattr(token, name) for name in names} | {"scopes": dump_scopes(token.scopes)}
        return parse_token((await self._statements.fetch(insert(TOKENS).values(values).returning(TOKENS)))[0])

    async def list_tokens(self, owner: str) -> list[Token]:
        newest = (TOKENS.c.created_at.desc(), TOKENS.c.token_id)
        statement = select(TOKENS).where(TOKENS.c.owner == owner).order_by(*newest).limit(MAX_TOKENS)
        return [parse_token(row) for row in await self._statements.fetch(statement)]

    async def load_token(self, token_id: str) -> Token | None:
        rows = await self._statements.fetch(select(TOKENS).where(TOKENS.c.token_id == token_id))
        return parse_token(rows[0]) if rows else None

    async def revoke_token(self, owner: str, token_id: str) -> Token:
        update = TOKENS.update().where(TOKENS.c.owner == owner, TOKENS.c.token_id == token_id)
        revoked = update.values(revoked_at=func.coalesce(TOKENS.c.revoked_at, _NOW))
        rows = await self._statements.fetch(revoked.returning(TOKENS))
        if not rows:
            raise NotFound(no_token(token_id))
        return parse_token(rows[0])

    async def touch_token(self, token_id: str) -> None:
        is_old = or_(TOKENS.c.last_used_at.is_(None), TOKENS.c.last_used_at < _NOW - timedelta(seconds=TOUCH_S))
        used = TOKENS.update().where(TOKENS.c.token_id == token_id, is_old).values(last_used_at=_NOW)
        await self._statements.execute(used)

    async def add_session(self, session: BrowserSession) -> None:
        values = {column.name: getattr(session, column.name) for column in SESSIONS.c}
        values |= {"role": session.role and session.role.value, "scopes": dump_scopes(session.scopes)}
        await self._statements.execute(insert(SESSIONS).values(values))

    async def load_session(self, session_id: str) -> BrowserSession | None:
        rows = await self._statements.fetch(select(SESSIONS).where(SESSIONS.c.session_id == session_id))
        return parse_session(rows[0]) if rows else None

    async def list_sessions(self, owner: str) -> list[BrowserSession]:
        valid = select(SESSIONS).where(SESSIONS.c.owner == owner, SESSIONS.c.expires_at > _NOW)
        newest = valid.order_by(SESSIONS.c.seen_at.desc(), SESSIONS.c.session_id).limit(MAX_SESSIONS)
        return [parse_session(row) for row in await self._statements.fetch(newest)]

    async def confirm_session(self, session_id: str) -> None:
        confirmed = SESSIONS.update().where(SESSIONS.c.session_id == session_id).values(confirmed_at=_NOW)
        await self._statements.execute(confirmed)

    async def touch_session(self, session_id: str) -> None:
        is_old = SESSIONS.c.seen_at < _NOW - timedelta(seconds=TOUCH_S)
        used = SESSIONS.update().where(SESSIONS.c.session_id == session_id, is_old).values(seen_at=_NOW)
        await self._statements.execute(used)

    async def end_session(self, session_id: str) -> None:
        await self._statements.execute(SESSIONS.delete().where(SESSIONS.c.session_id == session_id))

    async def sign_out(self, subject: str, at: datetime) -> None:
        new = insert(SIGN_OUTS).values(subject=subject, at=at)
        later = func.greatest(SIGN_OUTS.c.at, new.excluded.at)
        await self._statements.execute(new.on_conflict_do_update(index_elements=["subject"], set_={"at": later}))

    async def load_sign_out(self, subject: str) -> datetime | None:
        rows = await self._statements.fetch(select(SIGN_OUTS.c.at).where(SIGN_OUTS.c.subject == subject))
        return rows[0].at if rows else None

    async def prune(self) -> int:
        ended = func.least(TOKENS.c.revoked_at, TOKENS.c.expires_at)
        old = (
            SESSIONS.delete().where(SESSIONS.c.expires_at < _NOW),
            TOKENS.delete().where(ended < _NOW - timedelta(days=TOKENS_KEPT_DAYS)),
            SIGN_OUTS.delete().where(SIGN_OUTS.c.at < _NOW - timedelta(days=SIGN_OUTS_KEPT_DAYS)),
        )
        async with open_transaction(self._engine) as connection:
            return sum([(await connection.execute(statement)).rowcount for statement in old])
