"""The cookies of browsers, and the CSRF protection by token and Origin."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

#: The method of a principal that was authenticated by cookie.
BY_COOKIE = "session"
CSRF_HEADER = b"x-csrf-token"
#: The form field of the CSRF token.
CSRF_FIELD = b"csrf"
_DIGEST_BYTES = 32
_MASKED_CHARACTERS = 86
_MOST_FIELDS = 1000
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")
#: Browsers differ in whether they accept a Secure cookie from these hosts over plain HTTP.
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def make_session_value() -> str:
    """Return a new cookie value, made of 32 random bytes."""
    return secrets.token_urlsafe(32)


def session_id_of(value: str) -> str:
    """Return the id under which a session is stored, a hash; a reader of the ledger cannot log in with it."""
    return hashlib.sha256(value.encode()).hexdigest()


def csrf_token_of(value: str) -> str:
    """Return the CSRF token of a session; computing it requires the cookie's value."""
    return _encode(hmac.digest(value.encode(), b"kaboom csrf", hashlib.sha256))


def mask_csrf_token(token: str) -> str:
    """Return a CSRF token in a form that differs with each call.

    If the token were the same on every page, the size of the compressed page could reveal it (the BREACH attack).
    """
    digest, mask = base64.urlsafe_b64decode(f"{token}="), secrets.token_bytes(_DIGEST_BYTES)
    return _encode(mask + _xor(mask, digest))


def read_session_value(headers: Mapping[bytes, bytes]) -> str:
    """Return the value of the request's session cookie; empty if it is missing or malformed."""
    value = read_cookie(headers, cookie_name(headers))
    return value if _VALUE.fullmatch(value) else ""


def read_cookie(headers: Mapping[bytes, bytes], wanted: str) -> str:
    """Return the value of a request's cookie; empty if it is missing."""
    for pair in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == wanted:
            return value
    return ""


def cookie_name(headers: Mapping[bytes, bytes], kind: str = "") -> str:
    """Return the name of the session's cookie, or of another kind of cookie, for the host of a request.

    On loopback the name contains the port, since browsers send a host's cookies to all its ports. Elsewhere it has the
    prefix `__Host-`: browsers accept such a cookie only over TLS, and only from the host itself.
    """
    host = _split_host(headers)
    return (f"kaboom-{host[1]}" if host[0] in _LOCAL else "__Host-kaboom") + (kind and f"-{kind}")


def set_cookie(headers: Mapping[bytes, bytes], value: str, *, max_age_s: int, kind: str = "") -> str:
    """Return the `Set-Cookie` that sets the session's cookie or another kind, or deletes it if the age is 0."""
    secure = "" if is_local(headers) else "; Secure"
    return f"{cookie_name(headers, kind)}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"


def is_local(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether the host of a request is this machine's loopback."""
    return _split_host(headers)[0] in _LOCAL


def find_csrf_fault(headers: Mapping[bytes, bytes], form_token: bytes = b"") -> str:
    """Return why a request by cookie fails the CSRF check; empty if it passes.

    The CSRF token is in the header, or in a form of the dashboard.
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
    """Return the CSRF token of a form; empty if the form has none."""
    try:
        return dict(parse_qsl(body, max_num_fields=_MOST_FIELDS)).get(CSRF_FIELD, b"")
    except ValueError:
        return b""


def find_origin_fault(headers: Mapping[bytes, bytes]) -> str:
    """Return the fault of a request that a page of another server has sent; empty for any other request."""
    origin = headers.get(b"origin")
    if origin is not None and _split_netloc(origin.decode("latin-1").partition("://")[2]) != _split_host(headers):
        return "the Origin header named another host: a change must come from a page of this server"
    if headers.get(b"sec-fetch-site") in {b"cross-site", b"same-site"}:
        return "the Sec-Fetch-Site header named another site: a change must come from a page of this server"
    return ""


def _unmask(given: bytes) -> bytes:
    """Return the CSRF token of a masked token; return any other text unchanged."""
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
    """Return host and port; 0 stands for a default port, -1 for an invalid port."""
    try:
        parts = urlsplit(f"//{netloc}")
        port = parts.port
    except ValueError:
        return "", -1
    # Behind a proxy that terminates TLS the scheme is unknown: ports 80, 443 and no port count as the same.
    return (parts.hostname or "").lower(), 0 if port in {None, 80, 443} else int(port or 0)
