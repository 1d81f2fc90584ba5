"""Which apprise URLs a channel may have: services that are known, without options that read files or other addresses.

The threat is that of `url_guard`: a URL that makes Kaboom connect to a server that only Kaboom can reach.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from batch.errors import InvalidRequest
from batch.notify.url_guard import Target, UrlGuard

POINTER = "/url"
#: Services whose host is in apprise's own code; the URL has only tokens.
FIXED = frozenset({"slack", "discord", "line"})
#: Services that go to the host of the URL.
HOSTED = frozenset({"json", "jsons", "workflow", "workflows", "mailto", "mailtos"})
MAIL = frozenset({"mailto", "mailtos"})
_MAIL_PORTS = frozenset({25, 465, 587, 2525})
_SUBMISSION = 587
#: The allowed options of a URL: for the content and the receivers of a message, not for files, templates or proxies.
_OPTIONS = {
    **dict.fromkeys(("slack", "discord", "line"), frozenset({"footer", "image", "avatar", "tts"})),
    **dict.fromkeys(MAIL, frozenset({"from", "name", "to", "cc", "bcc", "reply", "smtp", "user", "pass", "mode"})),
}


@dataclass(frozen=True, slots=True)
class AppriseUrl:
    """The parts of an apprise URL that may be shown; `host` is "" if it is a token."""

    service: str
    host: str


def check_apprise_url(url: str, guard: UrlGuard) -> AppriseUrl:
    """Check a URL, and return the parts that may be shown.

    Names are not resolved here, but when a message is sent.

    Raises:
        InvalidRequest: the URL is not allowed; the message shows only its service and host.

    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as e:
        raise _refusal("url was not a URL, such as slack://… or mailtos://…") from e
    service = parts.scheme.lower()
    if service not in FIXED | HOSTED:
        known = ", ".join(sorted(FIXED | HOSTED))
        raise _refusal(f"url was for service {service[:20]!r}, expected one of {known}")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(given.keys() - _OPTIONS.get(service, frozenset())):
        raise _refusal(f"url had option {unknown[0][:20]!r}, which channels of {service} may not have")
    if service in FIXED:
        return AppriseUrl(service, "")
    if service in MAIL:
        find_target(guard, given.get("smtp") or host, port or _SUBMISSION, is_mail=True, is_safe=True)
        return AppriseUrl(service, host)
    is_safe = service != "json"
    find_target(guard, host, port or (443 if is_safe else 80), is_mail=False, is_safe=is_safe)
    return AppriseUrl(service, host)


def find_target(guard: UrlGuard, host: str, port: int, *, is_mail: bool, is_safe: bool) -> Target:
    """Return where a message goes; `is_safe` says whether the connection is encrypted.

    Raises:
        InvalidRequest: the address is not allowed.

    """
    rules = UrlGuard(guard.trusted, _MAIL_PORTS) if is_mail else guard
    shown = f"[{host}]" if ":" in host else host
    try:
        return rules.check(f"{'https' if is_safe else 'http'}://{shown}:{port}/")
    except InvalidRequest as e:
        raise _refusal(reword(e.message)) from e


def reword(message: str) -> str:
    """Return a message of the URL guard as one about a channel's URL."""
    plain = message.replace("callback_url was http, expected https", "url was not encrypted, expected it to be")
    return plain.replace("callback_url", "url")


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest(message, pointer=POINTER)
