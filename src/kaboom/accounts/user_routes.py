"""`/api/v1/users` and `/api/v1/tokens`: an admin manages the users and tokens of its owner."""

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import uuid4

from fastapi import Path, Response, status

from kaboom.accounts.directory import USER_PREFIX
from kaboom.accounts.login_routes import Desk
from kaboom.accounts.model import Token, User, UserChange, no_user
from kaboom.accounts.passwords import normalize_name
from kaboom.accounts.schemas import (
    TOKEN_DAYS,
    CreatedToken,
    NewToken,
    NewUser,
    TokenList,
    TokenView,
    UserList,
    UserPatch,
    UserView,
    view_token,
    view_user,
)
from kaboom.accounts.service import Accounts
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest, NotFound
from kaboom.jobs.deps import Caller, needs
from kaboom.web.auth.api_tokens import TOKEN_PREFIX, make_api_token
from kaboom.web.auth.guard import require_scopes
from kaboom.web.auth.jwt.supabase import SUBJECT_PREFIX as SUPABASE_PREFIX
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import SCOPES, Scope
from kaboom.web.errors import CONFLICT, INVALID, NOT_FOUND, OF_BODY, describe_problems
from kaboom.web.routers import FeatureRouter

_PREFIX = "/api/v1"
_BODY = describe_problems(*OF_BODY, CONFLICT)
_ONE = describe_problems(NOT_FOUND, INVALID)
UserId = Annotated[str, Path(pattern="^usr_[0-9a-f]{32}$", description="usr_ and 32 hex digits")]
TokenId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="16 hex digits")]

router = FeatureRouter(prefix=_PREFIX, tags=["accounts"], dependencies=[needs(Scope.ADMIN)])


@router.get("/users")
async def list_users(accounts: Desk, caller: Caller) -> UserList:
    """List the users, by name."""
    users = await accounts.directory.store.list_users(caller.owner)
    return UserList(items=[view_user(user) for user in users])


@router.post("/users", status_code=status.HTTP_201_CREATED, responses=_BODY)
async def create_user(accounts: Desk, caller: Caller, body: NewUser, response: Response) -> UserView:
    """Create a user, who logs in with the name and the password."""
    require_scopes(caller, sorted(SCOPES[body.role]))
    name = normalize_name(body.name)
    password_hash = await accounts.passwords.hash(body.password, name=name)
    new = User(f"{USER_PREFIX}{uuid4().hex}", caller.owner, name, password_hash, body.role)
    kept = await accounts.directory.store.add_user(new)
    response.headers["Location"] = f"{_PREFIX}/users/{kept.user_id}"
    return view_user(kept)


@router.get("/users/{user_id}", responses=_ONE)
async def show_user(accounts: Desk, caller: Caller, user_id: UserId) -> UserView:
    """Show one user."""
    return view_user(await _find_user(accounts, caller, user_id))


@router.patch("/users/{user_id}", responses=_ONE | _BODY)
async def change_user(accounts: Desk, caller: Caller, user_id: UserId, body: UserPatch) -> UserView:
    """Change a user's role or password, disable or enable the user; every process applies it within 5 s."""
    user = await _find_user(accounts, caller, user_id)
    require_scopes(caller, sorted(SCOPES[user.role] | (SCOPES[body.role] if body.role else frozenset())))
    password = await accounts.passwords.hash(body.password, name=user.name) if body.password else None
    change = UserChange(body.role, body.is_disabled, password)
    changed = await accounts.directory.store.change_user(caller.owner, user_id, change)
    if password or body.is_disabled:
        await accounts.directory.store.sign_out(user_id, utc_now())
    accounts.directory.forget(user_id)
    return view_user(changed)


@router.delete("/users/{user_id}/sessions", status_code=status.HTTP_204_NO_CONTENT, responses=_ONE)
async def end_sessions(accounts: Desk, caller: Caller, user_id: UserId) -> None:
    """Log a user out everywhere: void all sessions and JWTs of the user within 5 s."""
    await _find_user(accounts, caller, user_id)
    await accounts.directory.store.sign_out(user_id, utc_now())
    accounts.directory.forget(user_id)


@router.get("/tokens")
async def list_tokens(accounts: Desk, caller: Caller) -> TokenList:
    """List the tokens, newest first, including those that ended in the last 400 days."""
    tokens = await accounts.directory.store.list_tokens(caller.owner)
    return TokenList(items=[await _view(accounts, token) for token in tokens])


@router.post("/tokens", status_code=status.HTTP_201_CREATED, responses=_BODY)
async def create_token(accounts: Desk, caller: Caller, body: NewToken, response: Response) -> CreatedToken:
    """Create a token for a program; only this answer has its value.

    The token ends with its maker, and allows no more than its maker may at its use.
    """
    require_scopes(caller, sorted(body.scopes))
    made = make_api_token()
    new = Token(
        token_id=made.token_id,
        owner=caller.owner,
        name=body.name,
        scopes=frozenset(body.scopes),
        digest=made.digest,
        created_by=caller.subject,
        expires_at=await _find_expiry(accounts, caller, body.expires_days),
    )
    kept = await accounts.directory.store.add_token(new)
    # A request with this id may have been rejected before, and the answer may still be cached.
    accounts.directory.forget(kept.token_id)
    response.headers["Location"] = f"{_PREFIX}/tokens/{kept.token_id}"
    return CreatedToken(**(await _view(accounts, kept)).model_dump(), token=made.text)


@router.delete("/tokens/{token_id}", responses=_ONE)
async def revoke_token(accounts: Desk, caller: Caller, token_id: TokenId) -> TokenView:
    """Revoke a token, with all sessions and JWTs of its logins; every process applies it within 5 s."""
    revoked = await accounts.directory.store.revoke_token(caller.owner, token_id)
    accounts.directory.forget(token_id, f"{TOKEN_PREFIX}{token_id}")
    return await _view(accounts, revoked)


async def _view(accounts: Accounts, token: Token) -> TokenView:
    return view_token(token, await accounts.directory.scopes_now(token))


async def _find_expiry(accounts: Accounts, caller: Principal, days: int | Literal["never"]) -> datetime | None:
    """Return when a new token of a caller expires: at the latest with the token that makes it.

    Raises:
        InvalidRequest: a user of Supabase asked for longer than the default: Kaboom does not hear when it is disabled.

    """
    if caller.subject.startswith(SUPABASE_PREFIX) and (days == "never" or days > TOKEN_DAYS):
        raise InvalidRequest(
            f"expires_days was {days}, expected at most {TOKEN_DAYS}:"
            " Kaboom does not see when Supabase disables a user",
            pointer="/expires_days",
        )
    wanted = None if days == "never" else utc_now() + timedelta(days=days)
    maker = None
    if caller.subject.startswith(TOKEN_PREFIX):
        maker = await accounts.directory.store.load_token(caller.subject.removeprefix(TOKEN_PREFIX))
    ends = [at for at in (wanted, maker.expires_at if maker else None) if at]
    return min(ends, default=None)


async def _find_user(accounts: Desk, caller: Principal, user_id: str) -> User:
    user = await accounts.directory.store.load_user(user_id)
    if user is None or user.owner != caller.owner:
        raise NotFound(no_user(user_id))
    return user
