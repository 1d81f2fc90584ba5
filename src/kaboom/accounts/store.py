"""Open the accounts of a database; in memory they behave like those in PostgreSQL, and end with the process."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from kaboom.accounts.model import (
    MAX_SESSIONS,
    MAX_TOKENS,
    MAX_USERS,
    SIGN_OUTS_KEPT_DAYS,
    TOKENS_KEPT_DAYS,
    TOUCH_S,
    AccountStore,
    BrowserSession,
    Token,
    User,
    UserChange,
    last_admin,
    no_token,
    no_user,
)
from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.database import Database, name_taken, too_many
from kaboom.errors import Conflict, NotFound


def open_accounts(database: Database) -> AccountStore:
    """Return the accounts of a database."""
    if database.engine is None:
        return MemoryAccountStore()
    # SQLAlchemy is loaded with the first database in PostgreSQL.
    from kaboom.accounts.postgres import PostgresAccountStore  # noqa: PLC0415

    return PostgresAccountStore(database.engine)


class MemoryAccountStore:
    """`AccountStore` in memory."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._tokens: dict[str, Token] = {}
        self._sessions: dict[str, BrowserSession] = {}
        self._sign_outs: dict[str, datetime] = {}

    async def add_user(self, user: User) -> User:
        if sum(known.owner == user.owner for known in self._users.values()) >= MAX_USERS:
            raise Conflict(too_many("users", MAX_USERS))
        if await self.find_user(user.name):
            raise Conflict(name_taken("user", user.name))
        now = utc_now()
        self._users[user.user_id] = kept = replace(user, created_at=now, changed_at=now)
        return kept

    async def list_users(self, owner: str) -> list[User]:
        return sorted((user for user in self._users.values() if user.owner == owner), key=lambda user: user.name)

    async def load_user(self, user_id: str) -> User | None:
        return self._users.get(user_id)

    async def find_user(self, name: str) -> User | None:
        return next((user for user in self._users.values() if user.name == name), None)

    async def change_user(self, owner: str, user_id: str, change: UserChange) -> User:
        user = self._users.get(user_id)
        if user is None or user.owner != owner:
            raise NotFound(no_user(user_id))
        admins = [each.user_id for each in self._users.values() if each.owner == owner and each.is_active_admin]
        if change.ends_admin and admins == [user_id]:
            raise Conflict(last_admin(user.name))
        self._users[user_id] = changed = replace(user, **change.given(), changed_at=utc_now())
        return changed

    async def add_token(self, token: Token) -> Token:
        now = utc_now()
        if sum(known.owner == token.owner and known.is_valid(now) for known in self._tokens.values()) >= MAX_TOKENS:
            raise Conflict(too_many("tokens", MAX_TOKENS))
        self._tokens[token.token_id] = kept = replace(token, created_at=now)
        return kept

    async def list_tokens(self, owner: str) -> list[Token]:
        newest_last = [token for token in self._tokens.values() if token.owner == owner]
        return newest_last[::-1][:MAX_TOKENS]

    async def load_token(self, token_id: str) -> Token | None:
        return self._tokens.get(token_id)

    async def revoke_token(self, owner: str, token_id: str) -> Token:
        token = self._tokens.get(token_id)
        if token is None or token.owner != owner:
            raise NotFound(no_token(token_id))
        self._tokens[token_id] = revoked = replace(token, revoked_at=token.revoked_at or utc_now())
        return revoked

    async def touch_token(self, token_id: str) -> None:
        token = self._tokens.get(token_id)
        if token and (token.last_used_at is None or self._is_old(token.last_used_at)):
            self._tokens[token_id] = replace(token, last_used_at=utc_now())

    async def add_session(self, session: BrowserSession) -> None:
        self._sessions[session.session_id] = session

    async def load_session(self, session_id: str) -> BrowserSession | None:
        return self._sessions.get(session_id)

    async def list_sessions(self, owner: str) -> list[BrowserSession]:
        now = utc_now()
        found = [each for each in self._sessions.values() if each.owner == owner and each.expires_at > now]
        return sorted(found, key=lambda each: each.seen_at, reverse=True)[:MAX_SESSIONS]

    async def confirm_session(self, session_id: str) -> None:
        if session := self._sessions.get(session_id):
            self._sessions[session_id] = replace(session, confirmed_at=utc_now())

    async def touch_session(self, session_id: str) -> None:
        session = self._sessions.get(session_id)
        if session and self._is_old(session.seen_at):
            self._sessions[session_id] = replace(session, seen_at=utc_now())

    async def end_session(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)

    async def sign_out(self, subject: str, at: datetime) -> None:
        self._sign_outs[subject] = max(at, self._sign_outs.get(subject, at))

    async def load_sign_out(self, subject: str) -> datetime | None:
        return self._sign_outs.get(subject)

    async def prune(self) -> int:
        now = utc_now()
        limit = now - timedelta(days=TOKENS_KEPT_DAYS)
        old_sign_out = now - timedelta(days=SIGN_OUTS_KEPT_DAYS)
        return (
            _drop(self._sessions, lambda session: session.expires_at < now)
            + _drop(self._tokens, lambda token: any(at and at < limit for at in (token.revoked_at, token.expires_at)))
            + _drop(self._sign_outs, lambda at: at < old_sign_out)
        )

    def _is_old(self, at: datetime) -> bool:
        return at < utc_now() - timedelta(seconds=TOUCH_S)


def _drop[V](kept: dict[str, V], is_old: Callable[[V], bool]) -> int:
    old = [key for key, value in kept.items() if is_old(value)]
    for key in old:
        del kept[key]
    return len(old)
