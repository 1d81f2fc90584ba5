"""The session cookie of browsers, and what proves that a change was meant: a CSRF token and the Origin."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

#: The method of a principal that a cookie stands for.
BY_COOKIE = "session"
CSRF_HEADER = b"x-csrf-token"
#: The field of a form that has the token.
CSRF_FIELD = b"csrf"
_DIGEST_BYTES = 32
_MASKED_CHARACTERS = 86
_MOST_FIELDS = 1000
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")
#: Browsers take a Secure cookie from these over plain HTTP, or not, each in its own way.
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def make_session_value() -> str:
    """Return a new value of the cookie, 32 random bytes."""
    return secrets.token_urlsafe(32)


def session_id_of(value: str) -> str:
    """Return the id by which a cookie's value is kept; a reader of the ledger cannot log in with it."""
    return hashlib.sha256(value.encode()).hexdigest()


def csrf_token_of(value: str) -> str:
    """Return the CSRF token of a session: only who knows the cookie's value can compute it."""
    return _encode(hmac.digest(value.encode(), b"kaboom csrf", hashlib.sha256))


def mask_csrf_token(token: str) -> str:
    """Return a CSRF token in a form that differs with each call.

    A page that always had the same text in it could not be compressed safely: its size would tell what the text is.
    """
    digest, mask = base64.urlsafe_b64decode(f"{token}="), secrets.token_bytes(_DIGEST_BYTES)
    return _encode(mask + _xor(mask, digest))


def read_session_value(headers: Mapping[bytes, bytes]) -> str:
    """Return the value of the request's session cookie; empty without one."""
    wanted = cookie_name(headers)
    for pair in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == wanted:
            return value if _VALUE.fullmatch(value) else ""
    return ""


def cookie_name(headers: Mapping[bytes, bytes]) -> str:
    """Return the cookie's name for the host of a request.

    On loopback it has the port in it, since cookies of a host are sent to all its ports. Elsewhere it has the prefix
    by which browsers refuse it without TLS, and from any other host of the domain.
    """
    host = _split_host(headers)
    return f"kaboom-{host[1]}" if _is_local(host[0]) else "__Host-kaboom"


def set_cookie(headers: Mapping[bytes, bytes], value: str, *, max_age_s: int) -> str:
    """Return the `Set-Cookie` that gives a browser its session, or takes it away with an age of 0."""
    secure = "" if _is_local(_split_host(headers)[0]) else "; Secure"
    return f"{cookie_name(headers)}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"


def find_csrf_fault(headers: Mapping[bytes, bytes], form_token: bytes = b"") -> str:
    """Return why a change that came with the cookie may not have been meant by the user; empty if it was.

    The CSRF token is in the header, or in a form of ours.
    """
    if fault := find_origin_fault(headers):
        return fault
    if b"origin" not in headers and headers.get(b"sec-fetch-site") != b"same-origin":
        return "the Origin header was missing: a change by cookie must come from a page of this server"
    given, value = headers.get(CSRF_HEADER, b"") or form_token, read_session_value(headers)
    if not hmac.compare_digest(_unmask(given), csrf_token_of(value).encode()):
        return "the x-csrf-token header was missing or wrong: `/api/v1/session` has the token of the session"
    return ""


def read_form_token(body: bytes) -> bytes:
    """Return the CSRF token of a form; empty if it has none."""
    try:
        return dict(parse_qsl(body, max_num_fields=_MOST_FIELDS)).get(CSRF_FIELD, b"")
    except ValueError:
        return b""


def find_origin_fault(headers: Mapping[bytes, bytes]) -> str:
    """Return what is wrong if a page of another server has sent a request; empty if none has."""
    origin = headers.get(b"origin")
    if origin is not None and _split_netloc(origin.decode("latin-1").partition("://")[2]) != _split_host(headers):
        return "the Origin header named another host: a change must come from a page of this server"
    if headers.get(b"sec-fetch-site") in {b"cross-site", b"same-site"}:
        return "the Sec-Fetch-Site header named another site: a change must come from a page of this server"
    return ""


def _unmask(given: bytes) -> bytes:
    """Return the CSRF token of a masked one; any other text as it is."""
    try:
        both = base64.urlsafe_b64decode(given + b"==") if len(given) == _MASKED_CHARACTERS else b""
    except ValueError:
        return given
    if len(both) != 2 * _DIGEST_BYTES:
        return given
    return _encode(_xor(both[:_DIGEST_BYTES], both[_DIGEST_BYTES:])).encode()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _split_host(headers: Mapping[bytes, bytes]) -> tuple[str, int]:
    return _split_netloc(headers.get(b"host", b"").decode("latin-1"))


def _split_netloc(netloc: str) -> tuple[str, int]:
    """Return host and port; 0 is the port of a name without one."""
    try:
        parts = urlsplit(f"//{netloc}")
        port = parts.port
    except ValueError:
        return "", -1
    # Behind a proxy that ends TLS nobody here knows the scheme: both default ports are one.
    return (parts.hostname or "").lower(), 0 if port in {None, 80, 443} else int(port or 0)


def _is_local(host: str) -> bool:
    return host in _LOCAL
