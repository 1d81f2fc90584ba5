"""Log callers in by user and password, by INGEST_API_TOKEN, by an API token, or by a Supabase JWT; device cookies."""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kaboom.accounts.authenticators import JwtAuthenticator
from kaboom.accounts.directory import INGEST_PREFIX, Directory, principal_of_user
from kaboom.accounts.login_limits import LoginLimiter
from kaboom.accounts.passwords import Passwords, normalize_name
from kaboom.errors import InvalidRequest, NotAuthorized
from kaboom.web.auth.cookies import cookie_name, read_cookie, set_cookie
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.tokens import parse_api_token
from kaboom.web.caller_errors import ExpiredToken

# It authenticates nobody (docs/decisions/0094-known-browsers-are-not-held-up.md).
#: Browsers keep no cookie for longer.
LIFE_S = 400 * 24 * 3600
_KIND = "device"
_FORM = re.compile(r"([0-9a-f]{32})\.([0-9]{1,12})\.([0-9a-f]{64})")


class Devices:
    """Makes device cookies and verifies them with a key that all API processes share."""

    def __init__(self, load_key: Callable[[], Awaitable[bytes]], clock: Callable[[], float] = time.time) -> None:
        """Take the function that loads the key; it is called once, for the first cookie."""
        self._load_key = load_key
        self._clock = clock
        self._key = b""

    async def find(self, headers: Mapping[bytes, bytes], account: str) -> str:
        """Return the id of a browser that has logged in to an account before; empty for any other.

        Raises:
            StoreError: the key cannot be read.

        """
        found = _FORM.fullmatch(read_cookie(headers, cookie_name(headers, _KIND)))
        if not found or not hmac.compare_digest(await self._sign(account, found[1], found[2]), found[3]):
            return ""
        return found[1] if self._clock() < int(found[2]) else ""

    async def make_cookie(self, headers: Mapping[bytes, bytes], account: str) -> str:
        """Return the `Set-Cookie` for a browser that has just logged in to an account; a known browser keeps its id.

        Raises:
            StoreError: the key cannot be read.

        """
        device = await self.find(headers, account) or secrets.token_hex(16)
        ends_at = str(int(self._clock()) + LIFE_S)
        value = f"{device}.{ends_at}.{await self._sign(account, device, ends_at)}"
        return set_cookie(headers, value, max_age_s=LIFE_S, kind=_KIND)

    async def _sign(self, account: str, device: str, ends_at: str) -> str:
        self._key = self._key or await self._load_key()
        return hmac.new(self._key, f"kaboom device {account} {device} {ends_at}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Login:
    """A login that succeeded.

    Attributes:
        subject: of `Directory.find_by_login`.
        account: the normal form of the user's name; empty after a log-in by token.
        ends_at: when its session must end; None: by its own limits.

    """

    subject: str
    principal: Principal
    account: str = ""
    ends_at: datetime | None = None


class Logins:
    """Checks credentials; each attempt counts against its account and its address, or against a known browser."""

    def __init__(
        self,
        directory: Directory,
        jwts: JwtAuthenticator,
        *,
        passwords: Passwords,
        limiter: LoginLimiter,
        devices: Devices,
    ) -> None:
        self._directory = directory
        self._jwts = jwts
        self._passwords = passwords
        self._limiter = limiter
        self._devices = devices

    async def by_password(self, name: str, password: str, *, address: str, headers: Mapping[bytes, bytes]) -> Login:
        """Log a user in; the headers of the request may have the cookie of a known browser.

        Raises:
            NotAuthorized: the name or the password is wrong, or the user is disabled; the answer does not say which.
            TooManyLogins: the account, the address or the browser has failed too often.
            StoreError: users cannot be looked up.

        """
        account = _find_account(name)
        device = await self._devices.find(headers, account)
        await self._limiter.begin(account, address, device=device)
        user = await self._directory.store.find_user(account)
        is_right = await self._passwords.verify(password, user.password_hash if user else None)
        if user is None or not is_right or user.is_disabled:
            self._limiter.fail(account, address, user)
            raise NotAuthorized("the name or the password was wrong")
        await self._limiter.succeed(account, address, device=device)
        return Login(user.user_id, principal_of_user(user), account)

    async def by_token(self, token: str, address: str) -> Login:
        """Log the holder of a token in: a token of INGEST_API_TOKEN, `kbm_…`, or a Supabase JWT.

        Raises:
            NotAuthorized: the token is invalid.
            TooManyLogins: the address has failed too often.
            StoreError: the token cannot be looked up.

        """
        await self._limiter.begin(None, address)
        try:
            login = await self._find(token.strip().encode())
        except ExpiredToken:
            self._limiter.fail(None, address)
            raise
        if login is None:
            self._limiter.fail(None, address)
            raise NotAuthorized("the token was wrong, expired or revoked")
        await self._limiter.succeed(None, address)
        return login

    async def _find(self, token: bytes) -> Login | None:
        ingest = self._directory.ingest
        if principal := ingest.find(token):
            return Login(f"{INGEST_PREFIX}{ingest.mark_of(token)}", principal)
        if given := parse_api_token(token):
            principal = await self._directory.find_by_token(given)
            return Login(principal.subject, principal) if principal else None
        found = await self._jwts.find_supabase(token)
        return Login(found[0].subject, found[0], ends_at=found[1]) if found else None


def _find_account(name: str) -> str:
    """Return the normal form of a name; empty for an invalid name, which is then rejected like an unknown one."""
    try:
        return normalize_name(name)
    except InvalidRequest:
        return ""
