"""The accounts of the ledger, which are users, tokens and browser sessions, and the port to them."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol

from kaboom.web.auth.scopes import Role, Scope


@dataclass(frozen=True, slots=True)
class User:
    """A person who logs in with a password.

    Attributes:
        user_id: `usr_` and 32 hex digits.
        owner: the team of the user; all members of a team see the same jobs.
        name: an e-mail address or a name, as `normalize_name` returns it; unique over all owners.
        password_hash: an argon2id hash in its own text form.
        is_disabled: whether the user is rejected, with all sessions and JWTs of the user.

    """

    user_id: str
    owner: str
    name: str
    password_hash: str = field(repr=False)
    role: Role
    is_disabled: bool = False
    created_at: datetime | None = None
    changed_at: datetime | None = None

    @property
    def is_active_admin(self) -> bool:
        """Whether the user is an admin who may log in."""
        return self.role is Role.ADMIN and not self.is_disabled


@dataclass(frozen=True, slots=True)
class UserChange:
    """A change of a user; None leaves a value unchanged."""

    role: Role | None = None
    is_disabled: bool | None = None
    password_hash: str | None = field(default=None, repr=False)

    @property
    def ends_admin(self) -> bool:
        """Whether an admin is no longer one, or is disabled."""
        return self.is_disabled is True or self.role not in {None, Role.ADMIN}

    def given(self) -> dict[str, Any]:
        """Return the values that change, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Token:
    """A token `kbm_<id>_<secret>` that a program sends; only its holder knows the secret.

    Attributes:
        token_id: 16 hex digits.
        digest: SHA-256 of the whole token, in hex.
        created_by: the subject of the caller who created it.
        last_used_at: written at most once a minute.

    """

    token_id: str
    owner: str
    name: str
    scopes: frozenset[Scope]
    digest: str = field(repr=False)
    created_by: str
    expires_at: datetime | None = None
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Return whether the token is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A login of a browser.

    Attributes:
        session_id: SHA-256 of the cookie's value, in hex.
        owner, name, method, role, scopes: those of the principal that logged in. For a user or a token they are read
            from its record instead, so that a change takes effect at once; a Supabase user has no record here.
        seen_at: the time of the last request, written at most once a minute.
        address, agent: those of the browser at the login.
        confirmed_at: when its password or token was last entered.
        expires_at: when the session ends, even if it is in use.

    """

    session_id: str
    subject: str
    owner: str
    name: str
    method: str
    role: Role | None
    scopes: frozenset[Scope]
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str = ""
    agent: str = ""
    confirmed_at: datetime | None = None


#: Per owner.
MAX_USERS = 1000
MAX_TOKENS = 1000
#: How many sessions are listed.
MAX_SESSIONS = 1000
#: The last use of a token or a session is written at most this often.
TOUCH_S = 60
#: How long a revoked or expired token is still listed.
TOKENS_KEPT_DAYS = 400
#: How long a sign-out is kept: longer than the sessions and JWTs that it revokes can live.
SIGN_OUTS_KEPT_DAYS = 30


class AccountStore(Protocol):
    """The accounts. Each method is one transaction; all raise StoreError when the ledger is unavailable.

    `change_user` and `revoke_token` raise NotFound if the owner has no such user or token.
    """

    async def add_user(self, user: User) -> User:
        """Save a new user.

        Raises:
            Conflict: the name is taken, or the owner already has MAX_USERS.

        """
        ...

    async def list_users(self, owner: str) -> list[User]:
        """Return the users of an owner, by name."""
        ...

    async def load_user(self, user_id: str) -> User | None:
        """Return a user of any owner."""
        ...

    async def find_user(self, name: str) -> User | None:
        """Return the user with a name, of any owner."""
        ...

    async def change_user(self, owner: str, user_id: str, change: UserChange) -> User:
        """Change a user of an owner.

        Raises:
            Conflict: the user is the owner's last admin who may log in, and would no longer be one.

        """
        ...

    async def add_token(self, token: Token) -> Token:
        """Save a new token.

        Raises:
            Conflict: the owner has MAX_TOKENS valid tokens.

        """
        ...

    async def list_tokens(self, owner: str) -> list[Token]:
        """Return the tokens of an owner, newest first, at most MAX_TOKENS."""
        ...

    async def load_token(self, token_id: str) -> Token | None:
        """Return a token of any owner, even if it is not valid."""
        ...

    async def revoke_token(self, owner: str, token_id: str) -> Token:
        """Revoke a token; a token that is already revoked stays unchanged."""
        ...

    async def touch_token(self, token_id: str) -> None:
        """Record that a token was used now, unless a use was recorded within TOUCH_S."""
        ...

    async def add_session(self, session: BrowserSession) -> None:
        """Save a new session."""
        ...

    async def load_session(self, session_id: str) -> BrowserSession | None:
        """Return a session, even if it has expired."""
        ...

    async def list_sessions(self, owner: str) -> list[BrowserSession]:
        """Return the sessions of an owner that have not expired, last used first, at most MAX_SESSIONS."""
        ...

    async def confirm_session(self, session_id: str) -> None:
        """Record that the password or token of a session was entered now."""
        ...

    async def touch_session(self, session_id: str) -> None:
        """Record that a session was used now, unless a use was recorded within TOUCH_S."""
        ...

    async def end_session(self, session_id: str) -> None:
        """Drop a session."""
        ...

    async def sign_out(self, subject: str, at: datetime) -> None:
        """Revoke every session and every JWT of a subject that began before a time."""
        ...

    async def load_sign_out(self, subject: str) -> datetime | None:
        """Return the time of a subject's last `sign_out`."""
        ...

    async def prune(self) -> int:
        """Drop expired sessions, old tokens and old sign-outs; return how many."""
        ...


def no_user(user_id: str) -> str:
    """Return the message for a user that an owner does not have."""
    return f"user {user_id} does not exist: an id is usr_ and 32 hex digits"


def last_admin(name: str) -> str:
    """Return the message for a change that would leave an owner without an admin."""
    return f"{name} is the last admin who can log in: make another user an admin first"


def no_token(token_id: str) -> str:
    """Return the message for a token that an owner does not have."""
    return f"token {token_id} does not exist: an id is 16 hex digits"
