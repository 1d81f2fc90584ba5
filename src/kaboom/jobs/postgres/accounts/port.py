"""The ports to accounts: who may log in, and what callers changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from kaboom.jobs.postgres.accounts.model import AuditLine, AuditQuery, BrowserSession, Token, User, UserChange

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
#: How long audit lines are kept; a trigger refuses to delete younger ones.
AUDIT_KEPT_DAYS = 400
#: How many audit lines are dropped at once.
AUDIT_PRUNE_STEP = 1000


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


class AuditLog(Protocol):
    """The audit log: lines are added and read, and dropped when they are AUDIT_KEPT_DAYS old.

    Each method is one transaction; all raise StoreError when the ledger is unavailable.
    """

    async def append(self, lines: Sequence[AuditLine]) -> None:
        """Save lines; a line that is already saved stays unchanged."""
        ...

    async def list_lines(self, query: AuditQuery) -> list[AuditLine]:
        """Return the lines that a query asks for, newest first."""
        ...

    async def prune(self) -> int:
        """Drop the oldest lines that are more than AUDIT_KEPT_DAYS old, at most AUDIT_PRUNE_STEP; return how many."""
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
