"""Which URLs of callers may be called, by their form and every address of their host; the secrets of webhooks.

The threat is server-side request forgery: a URL that makes Kaboom call a server that only Kaboom can reach. The rules
are those of OWASP API7:2023; docs/decisions/0010 says why.
"""

import asyncio
import base64
import binascii
import ipaddress
import re
import secrets
from dataclasses import dataclass, field

from standardwebhooks import Webhook as Signer

from kaboom.drivers.http.destination import Destination, Lookup, look_up
from kaboom.errors import ConfigurationError, InvalidRequest

POINTER = "/callback_url"
MAX_URL = 2048
#: HTTPS and its usual second port; another port may be a service that is not meant for the public.
PORTS = frozenset({443, 8443})
_LAST_PORT = 65_535

#: Without ASCII, [a-z] in any case would also match the letters U+0130, U+0131, U+017F and U+212A.
_FLAGS = re.IGNORECASE | re.ASCII

# One narrow grammar, so that no two parsers can read a URL differently: ASCII, no user, no fragment, no backslash.
# The parts that it finds are sent; no other parser sees the URL.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:[/?][a-z0-9._~!$&'()*+,;=:@%/?-]*)?)",
    _FLAGS,
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", _FLAGS)
#: Browsers and C libraries read such a last label as an IPv4 address, decimal, octal or hex: 2130706433, 0x7f.1.
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*", _FLAGS)
_TRUSTED = re.compile(r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", _FLAGS)

# `is_global` is not enough: it is true of NAT64 (64:ff9b::7f00:1), 6to4 (2002:7f00:1::) and ::ffff:0:127.0.0.1.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_DENIED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "2001::/23",  # IETF assignments, with Teredo (2001::/32), which carries an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries an IPv4 address
        "3fff::/20",  # documentation
        "192.0.0.0/24",  # IETF assignments; Oracle Cloud's metadata is at 192.0.0.192
        "192.88.99.0/24",  # 6to4 relays
        "168.63.129.16/32",  # Azure's host agent: a public address that leads into the machine's host
    )
)


#: Shows no address: a caller must not learn what internal names resolve to.
_NOT_PUBLIC = "callback_url did not lead to a public address, expected one, or a host of KABOOM_WEBHOOK_HOSTS"
WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105  not a secret, only its beginning
_MIN_BYTES, _MAX_BYTES = 24, 64


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads; the addresses of a trusted host are not checked."""

    destination: Destination
    is_trusted: bool


@dataclass(frozen=True, slots=True)
class UrlGuard:
    """The rules of one installation.

    Attributes:
        trusted: `host` or `host:port` that the operator allows to be private and plain http.
        ports: the ports that other hosts may have.

    """

    trusted: frozenset[str] = frozenset()
    ports: frozenset[int] = PORTS

    def check(self, url: str) -> Target:
        """Return where a URL leads.

        Raises:
            InvalidRequest: the URL may not be called; the message shows only its host.

        """
        found = _URL.fullmatch(url)
        if found is None or len(url) > MAX_URL:
            raise _refusal(
                f"callback_url was not plain: expected https://host[:port]/path of at most {MAX_URL} letters, in ASCII"
                " (host as xn--…, path percent-encoded), without user, fragment, spaces or backslashes"
            )
        scheme, host = found["scheme"].lower(), found["host"].lower()
        port = int(found["port"] or (443 if scheme == "https" else 80))
        if not 0 < port <= _LAST_PORT:
            raise _refusal(f"callback_url had port {port}, expected 1 to {_LAST_PORT}")
        address = _parse_host(host)
        path = found["path"] if found["path"].startswith("/") else f"/{found['path']}"
        destination = Destination(scheme, str(address or host), port, path)
        if {host, f"{host}:{port}"} & self.trusted:
            return Target(destination, is_trusted=True)
        if scheme != "https":
            raise _refusal("callback_url was http, expected https, or a host of KABOOM_WEBHOOK_HOSTS")
        if port not in self.ports:
            allowed = ", ".join(map(str, sorted(self.ports)))
            raise _refusal(f"callback_url had port {port}, expected {allowed}, or a host of KABOOM_WEBHOOK_HOSTS")
        if address is not None:
            check_address(str(address))
        return Target(destination, is_trusted=False)


def check_address(text: str) -> None:
    """Accept only a public unicast address.

    Raises:
        InvalidRequest: the address is private, local, reserved, multicast, or carries another address.

    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError as e:
        raise _refusal(_NOT_PUBLIC) from e
    is_denied = any(address in network for network in _DENIED if network.version == address.version)
    is_unicast = address.version == 4 or (address in _GLOBAL_UNICAST and address.scope_id is None)
    if is_denied or not is_unicast or not address.is_global or address.is_multicast:
        raise _refusal(_NOT_PUBLIC)


def parse_trusted(text: str) -> frozenset[str]:
    """Return the trusted hosts of a setting: `host` or `host:port`, separated by spaces.

    Raises:
        ConfigurationError: an entry is neither.

    """
    entries = text.lower().split()
    for entry in entries:
        if not _TRUSTED.fullmatch(entry):
            expected = "host or host:port, separated by spaces"
            raise ConfigurationError(f"KABOOM_WEBHOOK_HOSTS had {entry!r}, expected {expected}")
    return frozenset(entries)


def _parse_host(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return a host that is an address, parsed; None for a name."""
    labels = host.split(".")
    try:
        if host.startswith("["):
            return ipaddress.IPv6Address(host[1:-1])
        if _NUMERIC.fullmatch(labels[-1]):
            return ipaddress.IPv4Address(host)
    except ValueError as e:
        raise _refusal(f"callback_url had host {host!r}, expected a name, or an address in its usual form") from e
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise _refusal(f"callback_url had host {host!r}, expected names of letters and digits between dots")
    return None


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest(message, pointer=POINTER)


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
