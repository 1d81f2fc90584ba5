"""Whether a callback URL is accepted when a caller gives it, and the secrets that webhooks are signed with."""

import asyncio
import base64
import binascii
import secrets
from dataclasses import dataclass, field

from standardwebhooks import Webhook as Signer

from kaboom.drivers.dns import Lookup, look_up
from kaboom.errors import ConfigurationError, InvalidRequest
from kaboom.jobs.callbacks.url_guard import POINTER, UrlGuard, check_address

WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105  not a secret, only its beginning
_MIN_BYTES, _MAX_BYTES = 24, 64


def make_webhook_secret() -> str:
    """Return a new secret of 32 random bytes."""
    return WEBHOOK_SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def parse_secrets(text: str) -> tuple[Signer, ...]:
    """Return a signer for each secret of a setting: `whsec_` and base64, separated by spaces.

    Raises:
        ConfigurationError: a text is not such a secret; the message does not show it.

    """
    signers = []
    for place, secret in enumerate(text.split(), start=1):
        try:
            key = base64.b64decode(secret.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not secret.startswith(WEBHOOK_SECRET_PREFIX) or not _MIN_BYTES <= len(key) <= _MAX_BYTES:
            raise ConfigurationError(
                f"KABOOM_WEBHOOK_SECRET: secret {place} was not {WEBHOOK_SECRET_PREFIX} and the base64 of"
                f" {_MIN_BYTES} to {_MAX_BYTES} bytes, as Standard Webhooks asks"
            )
        signers.append(Signer(secret))
    return tuple(signers)


_LOOKUP_S = 2.0


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """Which URLs one installation calls, and how it signs; without a signer it sends no webhooks."""

    guard: UrlGuard = field(default_factory=UrlGuard)
    signers: tuple[Signer, ...] = field(default=(), repr=False)

    async def check(self, url: str, *, lookup: Lookup = look_up) -> None:
        """Refuse a URL that may not be called, by its form or by any of its addresses.

        A name that has no address now, or whose name server is slow, passes: it is checked when it is called.

        Raises:
            InvalidRequest: the URL may not be called.

        """
        if not self.signers:
            message = (
                "callback_url was given, but this Kaboom signs no webhooks: its operator sets KABOOM_WEBHOOK_SECRET"
            )
            raise InvalidRequest(message, pointer=POINTER)
        target = self.guard.check(url)
        if target.is_trusted:
            return
        try:
            async with asyncio.timeout(_LOOKUP_S):
                addresses = await lookup(target.destination.host, target.destination.port)
        except OSError:  # includes a timeout
            return
        for address in addresses:
            check_address(address)
