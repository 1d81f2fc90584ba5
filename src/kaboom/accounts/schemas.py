"""The request and response bodies of the account routes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StrictBool, model_validator

from kaboom.accounts.model import BrowserSession, Token, User
from kaboom.drivers.clock import utc_now
from kaboom.jobs.api.words import CONTROL, Instant, Label
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import Role, Scope
from kaboom.web.routers import view_of

#: A new token expires after this many days, unless its maker says otherwise.
TOKEN_DAYS = 90
type LoggedInBy = Literal["password", "token", "ingest_token", "supabase"]
type TokenState = Literal["active", "revoked", "expired", "maker_ended"]
_USER_ID, _TOKEN_ID = "usr_5a1c0f5a6b4a9d8e2f3b4c5d6e7f8090", "9f2c41d07ab35e68"
_PASSWORD = "correct horse battery staple"  # noqa: S105  an example
_AT = "2026-11-28T07:40:00Z"
_ME: dict[str, Any] = {
    "subject": _USER_ID,
    "name": "taro@example.com",
    "owner": "ingest",
    "method": "jwt",
    "role": "operator",
    "scopes": ["bars:read", "ingest", "jobs:read", "jobs:write", "schedules:write"],
}
_USER: dict[str, Any] = {
    "id": _USER_ID,
    "name": "taro@example.com",
    "owner": "ingest",
    "role": "operator",
    "is_disabled": False,
    "created_at": _AT,
    "changed_at": _AT,
}
_TOKEN: dict[str, Any] = {
    "id": _TOKEN_ID,
    "name": "n8n",
    "owner": "ingest",
    "scopes": ["ingest", "jobs:read"],
    "scopes_now": ["ingest", "jobs:read"],
    "state": "active",
    "created_by": _USER_ID,
    "created_at": _AT,
    "expires_at": "2027-02-26T07:40:00Z",
    "last_used_at": None,
    "revoked_at": None,
}
_SESSION: dict[str, Any] = {
    "id": "0b6f3c1d9c8e4f5a",
    "subject": _USER_ID,
    "name": "taro@example.com",
    "logged_in_by": "password",
    "address": "192.0.2.7",
    "agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/141.0",
    "created_at": _AT,
    "seen_at": _AT,
    "expires_at": "2026-12-05T07:40:00Z",
    "is_current": True,
}
_LINE: dict[str, Any] = {
    "at": _AT,
    "subject": _USER_ID,
    "name": "taro@example.com",
    "method": "session",
    "action": "cancel_job",
    "target": "dc84d88371794773b929d2957f6a663b",
    "status": 202,
    "address": "192.0.2.7",
    "request_id": "7c6a1c0f5a6b4a9d8e2f3b4c5d6e7f80",
    "reason": "the list of symbols was wrong",
}
#: How a session was opened, by the method of its login; a user with a password has the method of its JWT.
_BY_METHOD: Mapping[str, LoggedInBy] = {"token": "token", "ingest_token": "ingest_token", "supabase": "supabase"}
#: Either a user with a password, or a token.
_EITHER: list[JsonValue] = [
    {"required": ["user", "password"], "not": {"required": ["token"]}},
    {"required": ["token"], "not": {"anyOf": [{"required": ["user"]}, {"required": ["password"]}]}},
]
#: The pattern is documented, not checked: `normalize_name` checks a name after NFKC, with a message of its own.
_Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="an e-mail address or a name, in any case",
        json_schema_extra={"pattern": r"^[\w.@+-]+$"},
    ),
]
_Password = Annotated[str, Field(min_length=12, max_length=256)]


def _strict(**extra: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra=extra)


class LoginBody(BaseModel):
    """A user with a password, or a token: of INGEST_API_TOKEN, `kbm_…`, or a JWT of Supabase."""

    model_config = _strict(example={"user": "taro@example.com", "password": _PASSWORD}, oneOf=_EITHER)

    user: str = Field(default_factory=str, min_length=1, max_length=200)
    password: str = Field(default_factory=str, min_length=1, max_length=1000, repr=False)
    token: str = Field(default_factory=str, min_length=1, max_length=8192, repr=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = tuple(map(bool, (self.user, self.password, self.token)))
        if given not in {(True, True, False), (False, False, True)}:
            raise ValueError("expected user and password, or token alone")
        return self


class Me(BaseModel):
    """The caller; `role` is null for a token, which has only scopes."""

    model_config = ConfigDict(json_schema_extra={"example": _ME})

    subject: str
    name: str
    owner: str = Field(description="the team: all of it see the same jobs")
    method: str = Field(description="`ingest_token`, `token`, `jwt`, `supabase` or `session`")
    role: Role | None
    scopes: list[Scope]


class LoginAnswer(BaseModel):
    """A JWT to send as `Authorization: Bearer …`."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"token": "eyJ…", "token_type": "Bearer", "expires_at": _AT, "me": _ME}}
    )

    token: str
    token_type: str
    expires_at: AwareDatetime
    me: Me


class SessionView(BaseModel):
    """The session of the cookie; a request that changes something sends `csrf_token` in the header `x-csrf-token`."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"csrf_token": "b3Jk…", "expires_at": _AT, "me": _ME | {"method": "session"}}}
    )

    csrf_token: str
    expires_at: AwareDatetime
    me: Me


class ConfirmBody(BaseModel):
    """The password of the session's user, or the token that the session was opened with."""

    model_config = _strict(example={"password": _PASSWORD}, minProperties=1, maxProperties=1)

    password: str = Field(default_factory=str, max_length=1000, repr=False)
    token: str = Field(default_factory=str, max_length=8192, repr=False)


class ConfirmedView(BaseModel):
    """Until when the session makes admin changes without its password."""

    model_config = ConfigDict(json_schema_extra={"example": {"confirmed_until": _AT}})

    confirmed_until: AwareDatetime


class ListedSession(BaseModel):
    """A session of a browser that is valid now."""

    model_config = ConfigDict(json_schema_extra={"example": _SESSION})

    id: str
    subject: str
    name: str
    logged_in_by: LoggedInBy
    address: str = Field(description="from where it began; empty for one that began before Kaboom kept it")
    agent: str = Field(description="what the browser calls itself")
    created_at: AwareDatetime
    seen_at: AwareDatetime = Field(description="written at most once a minute")
    expires_at: AwareDatetime
    is_current: bool = Field(description="whether it is the session of this request")


class SessionList(BaseModel):
    """Sessions of browsers, last used first."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_SESSION]}})

    items: list[ListedSession]


class PasswordBody(BaseModel):
    """The old and the new password of the caller."""

    model_config = _strict(example={"old": _PASSWORD, "new": "another battery of staples"})

    old: str = Field(min_length=1, max_length=1000, repr=False)
    new: _Password = Field(repr=False)


class NewUser(BaseModel):
    """A user to create for the caller's owner."""

    model_config = _strict(example={"name": "taro@example.com", "password": _PASSWORD, "role": "operator"})

    name: _Name
    password: _Password = Field(repr=False)
    role: Role = Role.VIEWER


class UserPatch(BaseModel):
    """A change of a user; a new password or disabling logs the user out everywhere."""

    model_config = _strict(example={"role": "viewer"}, minProperties=1)

    role: Role | None = None
    is_disabled: StrictBool | None = None
    password: _Password | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("expected role, is_disabled or password")
        return self


class UserView(BaseModel):
    """A user; the password is stored as a hash and never shown."""

    model_config = ConfigDict(json_schema_extra={"example": _USER})

    id: str
    name: str
    owner: str
    role: Role
    is_disabled: bool
    created_at: AwareDatetime | None
    changed_at: AwareDatetime | None


class UserList(BaseModel):
    """The users of the caller's owner, by name."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_USER]}})

    items: list[UserView]


class NewToken(BaseModel):
    """A token to create for the caller's owner, with scopes that the caller has."""

    model_config = _strict(example={"name": "n8n", "scopes": ["ingest", "jobs:read"], "expires_days": 90})

    name: Label
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    expires_days: Annotated[int, Field(ge=1, le=3650)] | Literal["never"] = Field(
        default=TOKEN_DAYS,
        description="at the latest with the token that makes it; for a user of Supabase at most the default",
    )


class TokenView(BaseModel):
    """A token, without its secret, which is shown only when the token is created."""

    model_config = ConfigDict(json_schema_extra={"example": _TOKEN})

    id: str
    name: str
    owner: str
    scopes: list[Scope]
    scopes_now: list[Scope] = Field(description="what it allows today: never more than its maker may")
    state: TokenState = Field(description="`maker_ended`: refused, because its maker is disabled or has ended")
    created_by: str
    created_at: AwareDatetime | None
    expires_at: AwareDatetime | None
    last_used_at: AwareDatetime | None = Field(description="written at most once a minute")
    revoked_at: AwareDatetime | None


class CreatedToken(TokenView):
    """A new token with its value, which is shown only in this answer."""

    model_config = ConfigDict(json_schema_extra={"example": _TOKEN | {"token": f"kbm_{_TOKEN_ID}_…"}})

    token: str


class TokenList(BaseModel):
    """The tokens of the caller's owner, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_TOKEN]}})

    items: list[TokenView]


class AuditListing(BaseModel):
    """The filter and the page of a list of audit lines."""

    model_config = ConfigDict(extra="forbid")

    subject: str | None = Field(default=None, max_length=250, pattern=rf"^[^{CONTROL}]+$")
    action: str | None = Field(default=None, pattern="^[a-z_]{1,64}$")
    since: Instant | None = None
    until: Instant | None = None
    limit: int = Field(default=50, ge=1, le=200)
    cursor: int | None = Field(default=None, ge=1, le=2**63 - 1)


class AuditView(BaseModel):
    """A change, or a rejected attempt (`status` 403)."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": _LINE})

    at: AwareDatetime | None
    subject: str
    name: str
    method: str
    action: str = Field(description="the name of the operation, such as `cancel_job`")
    target: str = Field(description="the id of what was changed; empty if nothing has an id")
    status: int
    address: str
    request_id: str
    reason: str = Field(description="why, as the caller gave it; empty if none was given")


class AuditPage(BaseModel):
    """A page of the audit log, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_LINE], "next_cursor": None}})

    items: list[AuditView]
    next_cursor: str | None


def view_me(caller: Principal) -> Me:
    """Return a caller as the API shows it."""
    return view_of(Me, caller, scopes=sorted(caller.scopes))


def view_user(user: User) -> UserView:
    """Return a user as the API shows it."""
    return view_of(UserView, user, id=user.user_id)


def view_token(token: Token, scopes_now: frozenset[Scope] | None) -> TokenView:
    """Return a token as the API shows it; `scopes_now` is what it allows today, or None if it is refused."""
    if token.revoked_at:
        state: TokenState = "revoked"
    elif not token.is_valid(utc_now()):
        state = "expired"
    else:
        state = "maker_ended" if scopes_now is None else "active"
    shown = sorted(scopes_now or ())
    return view_of(TokenView, token, id=token.token_id, scopes=sorted(token.scopes), scopes_now=shown, state=state)


def view_listed_session(session: BrowserSession, *, current: str) -> ListedSession:
    """Return a session as a list shows it; `current` is the id of the session of the request."""
    by: LoggedInBy = _BY_METHOD.get(session.method, "password")
    is_current = session.session_id == current
    return view_of(ListedSession, session, id=session.session_id[:16], logged_in_by=by, is_current=is_current)
