"""The device cookie: proves that a browser has logged in to an account before, so that strangers cannot hold it up.

It authenticates nobody (docs/decisions/0094-known-browsers-are-not-held-up.md).
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping

from kaboom.web.auth.cookies import cookie_name, read_cookie, set_cookie

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
