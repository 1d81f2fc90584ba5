"""Create, find and end browser sessions, and log a caller out everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kaboom.accounts.directory import USER_PREFIX, Directory
from kaboom.accounts.logins import Login, Logins
from kaboom.accounts.model import BrowserSession
from kaboom.drivers.clock import utc_now
from kaboom.errors import NotAuthorized, NotFound
from kaboom.web.auth.cookies import (
    csrf_token_of,
    make_session_value,
    read_session_value,
    session_id_of,
    set_cookie,
)
from kaboom.web.auth.principals import Principal

#: A session ends after this time, even if it is in use.
MOST_LIFE = timedelta(days=7)
_MOST_AGENT = 200


@dataclass(frozen=True, slots=True)
class NewSession:
    """A new session, the `Set-Cookie` of the answer, and the CSRF token."""

    cookie: str
    csrf_token: str
    session: BrowserSession


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What was entered to confirm a session: the password of its user or its token, and from which address."""

    password: str = field(repr=False)
    token: str = field(repr=False)
    address: str


class Sessions:
    """The sessions of browsers; `headers` are those of the request, names in lower case."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def create(self, login: Login, headers: Mapping[bytes, bytes], address: str) -> NewSession:
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
            address=address,
            agent=_find_agent(headers),
            confirmed_at=now,
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

    async def list_valid(self, owner: str, *, subject: str | None = None) -> list[BrowserSession]:
        """Return the sessions of an owner, or of one of its callers, that are valid now; the last used first.

        Raises:
            StoreError: the sessions cannot be looked up.

        """
        found = await self._directory.store.list_sessions(owner)
        callers = [await self._directory.principal_of_session(session) for session in found]
        pairs = zip(found, callers, strict=True)
        return [session for session, caller in pairs if caller and subject in {None, caller.subject}]

    async def end_listed(self, owner: str, short_id: str, *, subject: str | None = None) -> None:
        """End a session that `list_valid` returns, by the first 16 digits of its id.

        Raises:
            NotFound: there is no such session.
            StoreError: the session cannot be ended.

        """
        for session in await self.list_valid(owner, subject=subject):
            if session.session_id.startswith(short_id):
                await self._directory.store.end_session(session.session_id)
                self._directory.forget(session.session_id)
                return
        raise NotFound(f"session {short_id} does not exist, or has ended: an id is 16 hex digits")

    async def confirm(self, headers: Mapping[bytes, bytes], given: Confirmation, logins: Logins) -> datetime:
        """Note that the password or token of a request's session was entered again; return when.

        Raises:
            NotFound: the request has no session.
            NotAuthorized: the password or the token is wrong, or of another caller.
            TooManyLogins: there were too many failures.
            StoreError: the session cannot be looked up or changed.

        """
        found = await self.find(headers)
        if found is None:
            raise NotFound("the request has no session: its caller did not log in with a cookie")
        session = found[0]
        if session.subject.startswith(USER_PREFIX):
            login = await logins.by_password(session.name, given.password, address=given.address, headers=headers)
        else:
            login = await logins.by_token(given.token, given.address)
        if login.subject != session.subject:
            raise NotAuthorized("the token was wrong, expired or revoked")
        await self._directory.store.confirm_session(session.session_id)
        self._directory.forget(session.session_id)
        return utc_now()

    async def find_confirmed_at(self, headers: Mapping[bytes, bytes]) -> datetime | None:
        """Return when the session of a request was confirmed, as the ledger has it now."""
        value = read_session_value(headers)
        if not value:
            return None
        self._directory.forget(session_id_of(value))
        session = await self._directory.load_session(value)
        return session.confirmed_at if session else None

    async def end_all(self, caller: Principal) -> None:
        """Log a caller out everywhere: revoke all its sessions and JWTs up to now.

        Raises:
            StoreError: the sign-out cannot be saved.

        """
        await self._directory.store.sign_out(caller.subject, utc_now())
        self._directory.forget(caller.subject)


def _find_agent(headers: Mapping[bytes, bytes]) -> str:
    """Return the name that a browser gives itself, without characters that do not show."""
    text = headers.get(b"user-agent", b"").decode("latin-1")
    return "".join(each for each in text if each.isprintable())[:_MOST_AGENT]
