"""Whether a callback URL is accepted when a caller gives it; it is checked again each time that it is called."""

import asyncio
from dataclasses import dataclass, field

from standardwebhooks import Webhook as Signer

from kaboom.drivers.dns import Lookup, look_up
from kaboom.errors import InvalidRequest
from kaboom.jobs.callbacks.url_guard import POINTER, UrlGuard, check_address

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
