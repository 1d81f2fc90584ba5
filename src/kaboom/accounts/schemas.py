"""The request and response bodies of the account routes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StrictBool, model_validator

from kaboom.accounts.model import BrowserSession, Token, User
from kaboom.drivers.clock import utc_now
from kaboom.jobs.api.words import CONTROL, Instant, Label
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import Role, Scope
from kaboom.web.routers import example_of, view_of

#: A new token expires after this many days, unless its maker says otherwise.
TOKEN_DAYS = 90
type LoggedInBy = Literal["password", "token", "ingest_token", "supabase"]
type TokenState = Literal["active", "revoked", "expired", "maker_ended"]
_PASSWORD = "correct horse battery staple"  # noqa: S105  an example
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

    model_config = _strict(oneOf=_EITHER)

    user: str = Field(default_factory=str, min_length=1, max_length=200, examples=["taro@example.com"])
    password: str = Field(
        default_factory=str, min_length=1, max_length=1000, repr=False, examples=["correct horse battery staple"]
    )
    token: str = Field(default_factory=str, min_length=1, max_length=8192, repr=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = tuple(map(bool, (self.user, self.password, self.token)))
        if given not in {(True, True, False), (False, False, True)}:
            raise ValueError("expected user and password, or token alone")
        return self


class Me(BaseModel):
    """The caller; `role` is null for a token, which has only scopes."""

    subject: str = Field(examples=["usr_5a1c0f5a6b4a9d8e2f3b4c5d6e7f8090"])
    name: str = Field(examples=["taro@example.com"])
    owner: str = Field(description="the team: all of it see the same jobs", examples=["ingest"])
    method: str = Field(description="`ingest_token`, `token`, `jwt`, `supabase` or `session`", examples=["jwt"])
    role: Role | None = Field(examples=["operator"])
    scopes: list[Scope] = Field(examples=[["bars:read", "ingest", "jobs:read", "jobs:write", "schedules:write"]])


class LoginAnswer(BaseModel):
    """A JWT to send as `Authorization: Bearer …`."""

    token: str = Field(examples=["eyJ…"])
    token_type: str = Field(examples=["Bearer"])
    expires_at: AwareDatetime = Field(examples=["2026-11-28T07:40:00Z"])
    me: Me


class SessionView(BaseModel):
    """The session of the cookie; a request that changes something sends `csrf_token` in the header `x-csrf-token`."""

    csrf_token: str = Field(examples=["b3Jk…"])
    expires_at: AwareDatetime = Field(examples=["2026-11-28T07:40:00Z"])
    me: Me = Field(examples=[example_of(Me) | {"method": "session"}])


class ConfirmBody(BaseModel):
    """The password of the session's user, or the token that the session was opened with."""

    model_config = _strict(minProperties=1, maxProperties=1)

    password: str = Field(default_factory=str, max_length=1000, repr=False, examples=["correct horse battery staple"])
    token: str = Field(default_factory=str, max_length=8192, repr=False)


class ConfirmedView(BaseModel):
    """Until when the session makes admin changes without its password."""

    confirmed_until: AwareDatetime = Field(examples=["2026-11-28T07:40:00Z"])


class ListedSession(BaseModel):
    """A session of a browser that is valid now."""

    id: str = Field(examples=["0b6f3c1d9c8e4f5a"])
    subject: str = Field(examples=["usr_5a1c0f5a6b4a9d8e2f3b4c5d6e7f8090"])
    name: str = Field(examples=["taro@example.com"])
    logged_in_by: LoggedInBy = Field(examples=["password"])
    address: str = Field(
        description="from where it began; empty for one that began before Kaboom kept it", examples=["192.0.2.7"]
    )
    agent: str = Field(
        description="what the browser calls itself", examples=["Mozilla/5.0 (X11; Linux x86_64) Chrome/141.0"]
    )
    created_at: AwareDatetime = Field(examples=["2026-11-28T07:40:00Z"])
    seen_at: AwareDatetime = Field(description="written at most once a minute", examples=["2026-11-28T07:40:00Z"])
    expires_at: AwareDatetime = Field(examples=["2026-12-05T07:40:00Z"])
    is_current: bool = Field(description="whether it is the session of this request", examples=[True])


class SessionList(BaseModel):
    """Sessions of browsers, last used first."""

    items: list[ListedSession]


class PasswordBody(BaseModel):
    """The old and the new password of the caller."""

    model_config = _strict()

    old: str = Field(min_length=1, max_length=1000, repr=False, examples=["correct horse battery staple"])
    new: _Password = Field(repr=False, examples=["another battery of staples"])


class NewUser(BaseModel):
    """A user to create for the caller's owner."""

    model_config = _strict()

    name: _Name = Field(examples=["taro@example.com"])
    password: _Password = Field(repr=False, examples=["correct horse battery staple"])
    role: Role = Field(default=Role.VIEWER, examples=["operator"])


class UserPatch(BaseModel):
    """A change of a user; a new password or disabling logs the user out everywhere."""

    model_config = _strict(minProperties=1)

    role: Role | None = Field(default=None, examples=["viewer"])
    is_disabled: StrictBool | None = None
    password: _Password | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("expected role, is_disabled or password")
        return self


class UserView(BaseModel):
    """A user; the password is stored as a hash and never shown."""

    id: str = Field(examples=["usr_5a1c0f5a6b4a9d8e2f3b4c5d6e7f8090"])
    name: str = Field(examples=["taro@example.com"])
    owner: str = Field(examples=["ingest"])
    role: Role = Field(examples=["operator"])
    is_disabled: bool = Field(examples=[False])
    created_at: AwareDatetime | None = Field(examples=["2026-11-28T07:40:00Z"])
    changed_at: AwareDatetime | None = Field(examples=["2026-11-28T07:40:00Z"])


class UserList(BaseModel):
    """The users of the caller's owner, by name."""

    items: list[UserView]


class NewToken(BaseModel):
    """A token to create for the caller's owner, with scopes that the caller has."""

    model_config = _strict()

    name: Label = Field(examples=["n8n"])
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope), examples=[["ingest", "jobs:read"]])
    expires_days: Annotated[int, Field(ge=1, le=3650)] | Literal["never"] = Field(
        default=TOKEN_DAYS,
        description="at the latest with the token that makes it; for a user of Supabase at most the default",
        examples=[90],
    )


class TokenView(BaseModel):
    """A token, without its secret, which is shown only when the token is created."""

    id: str = Field(examples=["9f2c41d07ab35e68"])
    name: str = Field(examples=["n8n"])
    owner: str = Field(examples=["ingest"])
    scopes: list[Scope] = Field(examples=[["ingest", "jobs:read"]])
    scopes_now: list[Scope] = Field(
        description="what it allows today: never more than its maker may", examples=[["ingest", "jobs:read"]]
    )
    state: TokenState = Field(
        description="`maker_ended`: refused, because its maker is disabled or has ended", examples=["active"]
    )
    created_by: str = Field(examples=["usr_5a1c0f5a6b4a9d8e2f3b4c5d6e7f8090"])
    created_at: AwareDatetime | None = Field(examples=["2026-11-28T07:40:00Z"])
    expires_at: AwareDatetime | None = Field(examples=["2027-02-26T07:40:00Z"])
    last_used_at: AwareDatetime | None = Field(description="written at most once a minute")
    revoked_at: AwareDatetime | None


class CreatedToken(TokenView):
    """A new token with its value, which is shown only in this answer."""

    token: str = Field(examples=["kbm_9f2c41d07ab35e68_…"])


class TokenList(BaseModel):
    """The tokens of the caller's owner, newest first."""

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

    model_config = ConfigDict(from_attributes=True)

    at: AwareDatetime | None = Field(examples=["2026-11-28T07:40:00Z"])
    subject: str = Field(examples=["usr_5a1c0f5a6b4a9d8e2f3b4c5d6e7f8090"])
    name: str = Field(examples=["taro@example.com"])
    method: str = Field(examples=["session"])
    action: str = Field(description="the name of the operation, such as `cancel_job`", examples=["cancel_job"])
    target: str = Field(
        description="the id of what was changed; empty if nothing has an id",
        examples=["dc84d88371794773b929d2957f6a663b"],
    )
    status: int = Field(examples=[202])
    address: str = Field(examples=["192.0.2.7"])
    request_id: str = Field(examples=["7c6a1c0f5a6b4a9d8e2f3b4c5d6e7f80"])
    reason: str = Field(
        description="why, as the caller gave it; empty if none was given", examples=["the list of symbols was wrong"]
    )


class AuditPage(BaseModel):
    """A page of the audit log, newest first."""

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
