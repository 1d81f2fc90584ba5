"""The accounts in PostgreSQL, in the database of the ledger."""

from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert

from kaboom.drivers.postgres.engine import AsyncEngine, Statements, open_transaction
from kaboom.errors import Conflict, NotFound
from kaboom.jobs.postgres.accounts.model import BrowserSession, Token, User, UserChange
from kaboom.jobs.postgres.accounts.port import (
    MAX_SESSIONS,
    MAX_TOKENS,
    MAX_USERS,
    SIGN_OUTS_KEPT_DAYS,
    TOKENS_KEPT_DAYS,
    TOUCH_S,
    last_admin,
    no_token,
    no_user,
)
from kaboom.jobs.postgres.accounts.tables import (
    SESSIONS,
    SIGN_OUTS,
    TOKENS,
    USERS,
    dump_scopes,
    parse_session,
    parse_token,
    parse_user,
)
from kaboom.jobs.postgres.refusals import name_taken, too_many
from kaboom.web.auth.scopes import Role

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
