"""The accounts of one API process: authentication, logins, sessions and the audit trail."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from fastapi import Request

from kaboom.accounts.authenticators import JwtAuthenticator, SessionAuthenticator, TokenAuthenticator
from kaboom.accounts.directory import Directory
from kaboom.accounts.login_limits import FailedLogins, LoginLimiter, LoginStorms, RedisLoginFailures
from kaboom.accounts.logins import Devices, Logins
from kaboom.accounts.passwords import Passwords
from kaboom.accounts.sessions import Sessions
from kaboom.accounts.shared_keys import SharedKeys
from kaboom.accounts.store import open_accounts
from kaboom.audit.log import AuditTrail
from kaboom.audit.store import open_audit_log
from kaboom.drivers.postgres.database import Database
from kaboom.drivers.redis.client import Redis
from kaboom.jobs.postgres.opening import open_events, open_history
from kaboom.web.auth.guard import Authenticator
from kaboom.web.auth.jwt.own import OwnTokens, parse_jwt_keys
from kaboom.web.auth.jwt.supabase import SupabaseTokens
from kaboom.web.auth.tokens import IngestTokens

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


class Accounts:
    """The account services of the gate and the routes; until `open` only INGEST_API_TOKEN is accepted."""

    def __init__(self, settings: "AppSettings", ingest: IngestTokens, shared: SharedKeys) -> None:
        """Take the keys of JWTs from the settings.

        Raises:
            ConfigurationError: a key is too short, there are too many keys, or SUPABASE_URL is invalid.

        """
        secret = settings.jwt_secret_key
        self._keys = parse_jwt_keys(secret.get_secret_value()) if secret else None
        self._is_open = False
        self.shared_keys = shared
        self.directory = Directory(ingest)
        self.jwts = OwnTokens(self._load_keys)
        self._by_jwt = JwtAuthenticator(self.directory, self.jwts, _build_supabase(settings))
        self.passwords = Passwords()
        self.trail = AuditTrail()
        self.failed_logins = FailedLogins(self.trail)
        self._limiter = LoginLimiter(failed=self.failed_logins)
        self.devices = Devices(partial(shared.load, "devices"))
        self.logins = Logins(
            self.directory, self._by_jwt, passwords=self.passwords, limiter=self._limiter, devices=self.devices
        )
        self.sessions = Sessions(self.directory)

    @property
    def authenticators(self) -> tuple[Authenticator, ...]:
        """The ways to authenticate a request; the first that finds a principal decides."""
        tokens, cookies = TokenAuthenticator(self.directory), SessionAuthenticator(self.directory)
        return (self.directory.ingest, tokens, self._by_jwt, cookies)

    def open(self, database: Database, redis: Redis | None) -> None:
        """Start to use the ledger, and the failed-login counts that all API processes share; None without Redis."""
        self._is_open = True
        self.shared_keys.open(database.open(open_history))
        self.directory.open(database.open(open_accounts))
        self.trail.open(database.open(open_audit_log))
        self._limiter.share(RedisLoginFailures(redis) if redis is not None else None)
        self._limiter.report_storms(LoginStorms(database.open(open_events)).save)

    async def _load_keys(self) -> Sequence[bytes]:
        """Return the keys of JWT_SECRET_KEY; if it is not set, the key that all API processes share in the ledger."""
        if self._keys is None and self._is_open:
            return (await self.shared_keys.load("jwt"),)
        return self._keys or ()


def _build_supabase(settings: "AppSettings") -> SupabaseTokens | None:
    if settings.supabase_url is None:
        return None
    secret = settings.supabase_jwt_secret
    anon = settings.supabase_anon_key
    return SupabaseTokens(
        settings.supabase_url,
        legacy_secret=secret.get_secret_value() if secret else None,
        anon_key=anon.get_secret_value() if anon else None,
    )


async def accounts_of(request: Request) -> Accounts:
    """Return the accounts of the process."""
    return cast("Accounts", request.app.state.accounts)
