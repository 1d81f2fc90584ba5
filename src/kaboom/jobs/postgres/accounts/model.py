"""The account data of the ledger: users, tokens, browser sessions and audit lines."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from kaboom.web.auth.changes import Change
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


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One change that a caller made, or that was rejected.

    Attributes:
        line_id: 32 hex digits; a line that is written twice is stored once.
        subject, name, method: those of the caller's principal.
        action: the name of the operation, such as `cancel_job`.
        target: the id of the changed object; empty if it has no id.
        status: the HTTP status of the answer.
        address: the client's address.
        reason: the reason that the caller gave; empty if none was given.
        place: the sort key; a newer line has a higher one.

    """

    line_id: str
    owner: str
    subject: str
    name: str
    method: str
    action: str
    target: str
    status: int
    address: str
    request_id: str
    reason: str = ""
    at: datetime | None = None
    place: int = 0

    @classmethod
    def of(cls, change: Change, *, target: str | None = None) -> "AuditLine":
        """Return the line of a change, whose target may become known later than the change."""
        caller = change.caller
        return cls(
            line_id=uuid4().hex,
            owner=caller.owner,
            subject=caller.subject,
            name=caller.name,
            method=caller.method,
            action=change.action,
            target=change.target if target is None else target,
            status=change.status,
            address=change.address,
            request_id=change.request_id,
            reason=change.reason,
        )


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """The lines to list, newest first; `before` is the place of the last line already seen."""

    owner: str
    subject: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: int = 50
