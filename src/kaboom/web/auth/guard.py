"""The public paths, the authentication of requests to all others, and the scopes that routes need."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from fastapi import Request
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from kaboom.drivers.clock import utc_now
from kaboom.errors import Forbidden, NotAuthorized
from kaboom.web.auth.changes import SAFE_METHODS, context_of, find_context
from kaboom.web.auth.cookies import BY_COOKIE
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import Scope
from kaboom.web.caller_errors import ExpiredToken, PasswordNeeded
from kaboom.web.services import services_of

#: The only paths that need no principal. They are compared exactly: a new path is guarded until it is listed here.
PUBLIC_PATHS = frozenset(
    {
        *("/healthz", "/readyz", "/openapi.json", "/api/v1/login", "/api/v1/login/session"),
        *("/login", "/prefer", "/favicon.ico"),
    }
)
#: The static files of the dashboard, which are part of the package and the same for all users.
STATIC_PREFIX = "/static/"


#: A session of a browser makes admin changes for this long after its password or token was entered.
CONFIRMED = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Confirmations:
    """When sessions of browsers were confirmed.

    Attributes:
        find_confirmed_at: returns when the session of a request with these headers was confirmed, as the ledger has it
            now; None without a session. It raises StoreError if the session cannot be looked up.

    """

    find_confirmed_at: Callable[[Mapping[bytes, bytes]], Awaitable[datetime | None]]


class Authenticator(Protocol):
    """One way to authenticate a request."""

    async def authenticate(self, headers: Mapping[bytes, bytes], *, known_only: bool = False) -> Principal | None:
        """Return the principal of a request with these headers; None if they have no valid credential of this kind.

        With `known_only` a credential that anybody could invent is looked up only if it was found before.

        Raises:
            StoreError: the credential cannot be looked up.
            ExpiredToken: the credential is a JWT that has expired.

        """
        ...


def is_public(path: str) -> bool:
    """Return whether a path needs no principal."""
    return path in PUBLIC_PATHS or path.startswith(STATIC_PREFIX)


async def find_principal(
    authenticators: Sequence[Authenticator], headers: Mapping[bytes, bytes], *, known_only: bool = False
) -> Principal | None:
    """Return the principal that the first successful authenticator finds; None if none finds one.

    Raises:
        StoreError: an authenticator could not look the caller up.
        ExpiredToken: none finds a principal, and the JWT of the request has expired.

    """
    expired: ExpiredToken | None = None
    for each in authenticators:
        try:
            principal = await each.authenticate(headers, known_only=known_only)
        except ExpiredToken as e:
            expired = e
            continue
        if principal:
            return principal
    if expired:
        raise expired
    return None


# Dependencies are `async` because FastAPI runs a plain function in a thread, at 80 µs a request.
async def current_principal(request: Request) -> Principal:
    """Return the principal of the request, which `kaboom.web.middleware` has found.

    Raises:
        NotAuthorized: the route is public, and needs no principal.

    """
    context = find_context(request.scope)
    principal = context.principal if context else None
    if principal is None:
        raise NotAuthorized("the request was not authenticated, and this answer depends on the caller")
    return principal


@dataclass(frozen=True, slots=True)
class Needs:
    """A dependency of a route: the scopes that its caller must have; without scopes, any caller is accepted."""

    scopes: tuple[Scope, ...]

    async def __call__(self, request: Request) -> None:
        """Reject a caller who lacks a scope.

        Raises:
            NotAuthorized: the route is public, and needs no principal.
            Forbidden: the caller lacks a scope; the message names the scope.
            PasswordNeeded: an admin change by a session of a browser whose password was entered too long ago.

        """
        caller = await current_principal(request)
        require_scopes(caller, self.scopes)
        if Scope.ADMIN in self.scopes and request.method not in SAFE_METHODS and not is_confirmed(caller):
            await _require_confirmed(request, caller)


def is_confirmed(principal: Principal) -> bool:
    """Return whether a caller may make admin changes without its password; only sessions of browsers need it."""
    at = principal.confirmed_at
    return principal.method != BY_COOKIE or (at is not None and utc_now() - at < CONFIRMED)


async def _require_confirmed(request: Request, principal: Principal) -> None:
    # Another process may have confirmed the session since this one looked it up.
    at = await services_of(request.app).find(Confirmations).find_confirmed_at(dict(request.scope["headers"]))
    now_confirmed = replace(principal, confirmed_at=at)
    if not is_confirmed(now_confirmed):
        raise PasswordNeeded(
            f"the password was entered over {CONFIRMED.seconds // 60} minutes ago:"
            " enter it again with POST /api/v1/session/confirm"
        )
    context_of(request.scope).principal = now_confirmed


def require_scopes(principal: Principal, scopes: Iterable[Scope]) -> None:
    """Reject a caller who lacks a scope.

    Raises:
        Forbidden: the caller lacks a scope; the message names the scope.

    """
    for scope in scopes:
        if scope not in principal.scopes:
            held = ", ".join(sorted(principal.scopes)) or "none"
            raise Forbidden(f"this needs the scope {scope}, and the caller has {held}")


def stated_scopes(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str, tuple[Scope, ...] | None]]:
    """Yield method, path and scopes of every route; None for a route that states no scopes."""
    for context in iter_route_contexts(list(routes)):
        found = [d.dependency for d in getattr(context, "dependencies", ()) if isinstance(d.dependency, Needs)]
        scopes = tuple(scope for needs in found for scope in needs.scopes) if found else None
        for method in sorted(context.methods or ()):
            yield method, context.path or "", scopes
