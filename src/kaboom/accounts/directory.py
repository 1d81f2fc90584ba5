"""Find the principals of users, tokens and sessions; lookups in the ledger are cached for a few seconds."""

import asyncio
import contextlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from kaboom.accounts.model import TOUCH_S, AccountStore, BrowserSession, Token, User
from kaboom.drivers.clock import Clock, utc_now
from kaboom.errors import StoreError
from kaboom.web.auth.cookies import BY_COOKIE, session_id_of
from kaboom.web.auth.jwt.supabase import METHOD as SUPABASE
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import SCOPES, Scope
from kaboom.web.auth.tokens import TOKEN_PREFIX, ApiToken, IngestTokens

#: A revocation takes effect in every process within this time. During an outage of PostgreSQL cached callers are
#: still accepted for this time.
KEPT_S = 5.0
#: About 500 bytes each. The oldest answers are dropped.
_MOST = 10_000


class Recent[V]:
    """Looks values up by key; concurrent callers share a lookup. An answer without a value is cached, too."""

    def __init__(
        self,
        load: Callable[[str], Awaitable[V | None]],
        turns: asyncio.Semaphore,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the lookup, and `turns`, which limits the concurrent lookups."""
        self._load = load
        self._turns = turns
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, V | None]] = OrderedDict()
        self._running: dict[str, asyncio.Task[V | None]] = {}

    async def get(self, key: str) -> V | None:
        """Return the value of a key, as it was at most KEPT_S ago.

        Raises:
            StoreError: no answer is cached, and the value cannot be looked up.

        """
        began_at, value = self._kept.get(key, (float("-inf"), None))
        if self._clock() - began_at < KEPT_S:
            return value
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._look_up(key), name="lookup")
        # If this caller is cancelled, the lookup continues for the others.
        return await asyncio.shield(task)

    def has_found(self, key: str) -> bool:
        """Return whether the last answer about a key was a value, however long ago."""
        return self._kept.get(key, (0.0, None))[1] is not None

    def forget(self, key: str) -> None:
        """Drop the cached answer for a key, because this process has changed its value."""
        self._kept.pop(key, None)
        self._running.pop(key, None)

    async def _look_up(self, key: str) -> V | None:
        mine = asyncio.current_task()
        try:
            async with self._turns:
                began_at = self._clock()
                value = await self._load(key)
            if self._running.get(key) is mine:
                self._keep(key, began_at, value)
            return value
        finally:
            if self._running.get(key) is mine:
                del self._running[key]

    def _keep(self, key: str, began_at: float, value: V | None) -> None:
        self._kept[key] = began_at, value
        self._kept.move_to_end(key)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)


USER_PREFIX, INGEST_PREFIX = "usr_", "ingest_"
#: A session ends after this time without use.
IDLE = timedelta(hours=12)
#: Lookups use at most this many connections of the pool, so that a flood of unknown tokens cannot use them all.
_MOST_LOOKUPS = 3
_MOST_TOUCHED = 10_000


class _Lookups:
    """The cached lookups in one store; at most `_MOST_LOOKUPS` run at once."""

    def __init__(self, store: AccountStore) -> None:
        self.store = store
        turns = asyncio.Semaphore(_MOST_LOOKUPS)
        self.users = Recent[User](store.load_user, turns)
        self.tokens = Recent[Token](store.load_token, turns)
        self.sessions = Recent[BrowserSession](store.load_session, turns)
        self.sign_outs = Recent[datetime](store.load_sign_out, turns)

    def forget(self, key: str) -> None:
        """Drop the cached answers for an id."""
        for kept in (self.users, self.tokens, self.sessions, self.sign_outs):
            kept.forget(key)


class Directory:
    """Finds principals. A login is identified by its subject, `usr_…`, `kbm_<id>` or `ingest_<mark>`, and its start."""

    def __init__(self, ingest: IngestTokens, clock: Clock = utc_now) -> None:
        self.ingest = ingest
        self._clock = clock
        self._opened: _Lookups | None = None
        self._touched: OrderedDict[str, float] = OrderedDict()
        self._touching: set[asyncio.Task[None]] = set()

    def open(self, store: AccountStore) -> None:
        """Start to look callers up in a store."""
        self._opened = _Lookups(store)

    @property
    def store(self) -> AccountStore:
        """The store.

        Raises:
            StoreError: the process has not started yet.

        """
        return self._lookups.store

    @property
    def _lookups(self) -> "_Lookups":
        if self._opened is None:
            raise StoreError("the API is starting")
        return self._opened

    async def find_by_token(self, given: ApiToken, *, known_only: bool = False) -> Principal | None:
        """Return the principal of a valid token, and record its use.

        With `known_only` a token is looked up only if this process has found its id before.
        """
        if known_only and not self._lookups.tokens.has_found(given.token_id):
            return None
        token = await self._lookups.tokens.get(given.token_id)
        if token is None or not hmac.compare_digest(token.digest, given.digest):
            return None
        principal = await self._principal_of_token(token)
        if principal:
            self._touch(token.token_id, self.store.touch_token)
        return principal

    async def find_by_session(self, value: str, *, known_only: bool = False) -> Principal | None:
        """Return the principal of a session cookie, if the session has not ended, and record its use.

        With `known_only` a session is looked up only if this process has found it before.
        """
        if known_only and not self._lookups.sessions.has_found(session_id_of(value)):
            return None
        session = await self.load_session(value)
        principal = await self.principal_of_session(session) if session else None
        if session and principal:
            self._touch(session.session_id, self.store.touch_session)
        return principal

    async def load_session(self, value: str) -> BrowserSession | None:
        """Return the session of a cookie, if it is neither idle nor expired."""
        session = await self._lookups.sessions.get(session_id_of(value))
        return session if session and not self._is_over(session) else None

    async def principal_of_session(self, session: BrowserSession) -> Principal | None:
        """Return the principal of a session; None if the session or its login has ended."""
        if self._is_over(session):
            return None
        principal = await self.find_by_login(session.subject, session.created_at)
        if principal is None and session.method == SUPABASE:
            kept = Principal(session.owner, session.method, session.subject, session.name, session.scopes, session.role)
            principal = await self.unless_signed_out(kept, session.created_at)
        return replace(principal, method=BY_COOKIE, confirmed_at=session.confirmed_at) if principal else None

    async def find_by_login(self, subject: str, begun_at: datetime) -> Principal | None:
        """Return the principal of a login that began at a time, by its current record; None if it is not valid."""
        principal: Principal | None = None
        if subject.startswith(USER_PREFIX):
            user = await self._lookups.users.get(subject)
            principal = principal_of_user(user) if user and not user.is_disabled else None
        elif subject.startswith(TOKEN_PREFIX):
            token = await self._lookups.tokens.get(subject.removeprefix(TOKEN_PREFIX))
            principal = await self._principal_of_token(token) if token else None
        elif subject.startswith(INGEST_PREFIX):
            principal = self.ingest.find_marked(subject.removeprefix(INGEST_PREFIX))
        return await self.unless_signed_out(principal, begun_at) if principal else None

    async def unless_signed_out(self, principal: Principal, begun_at: datetime) -> Principal | None:
        """Return the principal of a login, unless it began before its subject's last sign-out."""
        signed_out_at = await self._lookups.sign_outs.get(principal.subject)
        return principal if signed_out_at is None or begun_at > signed_out_at else None

    async def scopes_now(self, token: Token) -> frozenset[Scope] | None:
        """Return what a token allows now, at most what each of its makers has; None if it or one of them has ended."""
        scopes = token.scopes
        while token.is_valid(self._clock()):
            maker = token.created_by
            if maker.startswith(USER_PREFIX):
                user = await self._lookups.users.get(maker)
                return scopes & SCOPES[user.role] if user and not user.is_disabled else None
            if not maker.startswith(TOKEN_PREFIX):
                # INGEST_API_TOKEN has all scopes. Kaboom has no record of a user of Supabase: see `find_expiry`.
                return scopes
            made_by = await self._lookups.tokens.get(maker.removeprefix(TOKEN_PREFIX))
            if made_by is None:
                return None
            token, scopes = made_by, scopes & made_by.scopes
        return None

    def forget(self, *keys: str) -> None:
        """Drop the cached users, tokens and sessions with these ids, because this process has changed them."""
        for key in keys:
            self._lookups.forget(key)

    async def _principal_of_token(self, token: Token) -> Principal | None:
        scopes = await self.scopes_now(token)
        if scopes is None:
            return None
        return Principal(token.owner, "token", f"{TOKEN_PREFIX}{token.token_id}", token.name, scopes)

    def _is_over(self, session: BrowserSession) -> bool:
        now = self._clock()
        return now >= session.expires_at or now - session.seen_at >= IDLE

    def _touch(self, key: str, write: Callable[[str], Awaitable[None]]) -> None:
        """Record the last use in the background, at most once a minute."""
        now = time.monotonic()
        if now - self._touched.get(key, float("-inf")) < TOUCH_S:
            return
        self._touched[key] = now
        self._touched.move_to_end(key)
        if len(self._touched) > _MOST_TOUCHED:
            self._touched.popitem(last=False)
        task = asyncio.create_task(_write_quietly(write, key), name="touch")
        self._touching.add(task)
        task.add_done_callback(self._touching.discard)


async def _write_quietly(write: Callable[[str], Awaitable[None]], key: str) -> None:
    # A later request records the use instead.
    with contextlib.suppress(StoreError):
        await write(key)


def principal_of_user(user: User) -> Principal:
    """Return the principal of a user."""
    return Principal(user.owner, "jwt", user.user_id, user.name, SCOPES[user.role], user.role)
