"""Create, find and end browser sessions, and log a caller out everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from app.accounts.directory import Directory
from app.accounts.logins import Login
from app.auth.cookies import (
    csrf_token_of,
    make_session_value,
    read_session_value,
    session_id_of,
    set_cookie,
)
from app.auth.principals import Principal
from app.ledger.accounts.model import BrowserSession
from batch.kit.clock import utc_now

#: A session ends after this time, even if it is in use.
MOST_LIFE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class NewSession:
    """A new session, the `Set-Cookie` of the answer, and the CSRF token."""

    cookie: str
    csrf_token: str
    session: BrowserSession


class Sessions:
    """The sessions of browsers; `headers` are those of the request, names in lower case."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def create(self, login: Login, headers: Mapping[bytes, bytes]) -> NewSession:
        """Begin a session; an earlier session of the browser ends.

        Raises:
            StoreError: the session cannot be saved.

        """
        await self.end(headers)
        value, now, caller = make_session_value(), utc_now(), login.principal
        # A session of a Supabase user ends with its JWT: Kaboom has no record of the user that could be disabled.
        expires_at = min(now + MOST_LIFE, login.ends_at or now + MOST_LIFE)
        session = BrowserSession(
            session_id=session_id_of(value),
            subject=login.subject,
            owner=caller.owner,
            name=caller.name,
            method=caller.method,
            role=caller.role,
            scopes=caller.scopes,
            created_at=now,
            seen_at=now,
            expires_at=expires_at,
        )
        await self._directory.store.add_session(session)
        cookie = set_cookie(headers, value, max_age_s=max(0, round((expires_at - now).total_seconds())))
        return NewSession(cookie, csrf_token_of(value), session)

    async def find(self, headers: Mapping[bytes, bytes]) -> tuple[BrowserSession, str] | None:
        """Return the session of a request and its CSRF token; None if there is no valid session.

        Raises:
            StoreError: the session cannot be looked up.

        """
        value = read_session_value(headers)
        session = await self._directory.load_session(value) if value else None
        return (session, csrf_token_of(value)) if session else None

    async def end(self, headers: Mapping[bytes, bytes]) -> str:
        """End the session of a request, if it has one; return the `Set-Cookie` that deletes the cookie.

        Raises:
            StoreError: the session cannot be ended.

        """
        if value := read_session_value(headers):
            await self._directory.store.end_session(session_id_of(value))
            self._directory.forget(session_id_of(value))
        return set_cookie(headers, "", max_age_s=0)

    async def end_all(self, caller: Principal) -> None:
        """Log a caller out everywhere: revoke all its sessions and JWTs up to now.

        Raises:
            StoreError: the sign-out cannot be saved.

        """
        await self._directory.store.sign_out(caller.subject, utc_now())
        self._directory.forget(caller.subject)
