"""Which apprise URLs a channel may have: services that are known, without options that read files or other addresses.

The threat is that of `url_guard`: a URL that makes Kaboom connect to a server that only Kaboom can reach.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote

from kaboom.errors import InvalidRequest
from kaboom.jobs.callbacks.url_guard import Target, UrlGuard

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


_NOT_A_URL = "url was not a URL, such as slack://… or mailtos://…"
_NOT_PLAIN = (
    "url was not plain: expected service://user:password@host:port/path?name=value, with `;`, `#`, `?`, `@`, `:` and"
    " `%` within a part written as %3B, %23, %3F, %40, %3A and %25"
)
#: One narrow grammar: apprise separates options by `;` too, and reads a `?` after `#`.
_URL = re.compile(
    r"(?P<service>[a-zA-Z]+)://(?P<authority>[^/?#;]*)(?P<path>[^?#;]*)(?:\?(?P<query>[^?#;]*))?", re.ASCII
)
_AUTHORITY = re.compile(
    r"(?:(?P<user>[^:@]*)(?::(?P<password>[^:@]*))?@)?(?P<host>\[[0-9a-fA-F:.]+\]|[^:@\[\]]*)(?::(?P<port>[0-9]{1,5}))?"
)
_HOST = re.compile(r"[a-zA-Z0-9._-]{1,253}|[0-9a-fA-F:.]{2,45}", re.ASCII)
_OPTION = re.compile(r"(?P<name>[a-z]+)=(?P<value>[^=]*)", re.ASCII)
_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True)
class AppriseUrl:
    """A URL in its canonical form, and its parts that may be shown; `host` is "" if it is a token.

    `text` is made of the parsed parts, each percent-encoded: apprise cannot read other parts in it.
    """

    service: str
    host: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Parts:
    service: str
    user: str
    password: str
    host: str
    port: int | None
    #: Decoded, but for the first, which is empty.
    path: tuple[str, ...]
    options: Mapping[str, str]


def check_apprise_url(url: str, guard: UrlGuard) -> AppriseUrl:
    """Check a URL, and return its canonical form.

    Names are not resolved here, but when a message is sent.

    Raises:
        InvalidRequest: the URL is not allowed; the message shows only its service and host.

    """
    parts = _parse(url)
    service = parts.service
    if unknown := sorted(parts.options.keys() - _OPTIONS.get(service, frozenset())):
        raise _refusal(f"url had option {unknown[0][:20]!r}, which channels of {service} may not have")
    if service in FIXED:
        if parts.port is not None:
            raise _refusal(_NOT_PLAIN)
        return AppriseUrl(service, "", _write(parts))
    host, is_mail, is_safe = parts.host.lower(), service in MAIL, service != "json"
    port = parts.port or (_SUBMISSION if is_mail else 443 if is_safe else 80)
    # Where `smtp` names the server, the host is only the domain of the sender.
    for name in (host, *filter(None, [parts.options.get("smtp")])):
        find_target(guard, name, port, is_mail=is_mail, is_safe=is_safe)
    return AppriseUrl(service, host.strip("[]"), _write(replace(parts, host=host)))


def _parse(url: str) -> _Parts:
    # Slack's channels: apprise reads `/#` as `/%23`, too.
    found = _URL.fullmatch(url.strip().replace("/#", "/%23"))
    if found is None or _ESCAPE.search(url):
        raise _refusal(_NOT_A_URL if "://" not in url else _NOT_PLAIN)
    service = found["service"].lower()
    if service not in FIXED | HOSTED:
        known = ", ".join(sorted(FIXED | HOSTED))
        raise _refusal(f"url was for service {service[:20]!r}, expected one of {known}")
    authority = _AUTHORITY.fullmatch(found["authority"])
    if authority is None or not authority["host"]:
        raise _refusal(_NOT_PLAIN)
    user, password = (_decode(authority[name] or "", may_have_percent=True) for name in ("user", "password"))
    port = int(authority["port"]) if authority["port"] else None
    path = tuple(map(_decode, found["path"].split("/")))
    return _Parts(service, user, password, _decode(authority["host"]), port, path, _parse_options(found["query"] or ""))


def _parse_options(query: str) -> dict[str, str]:
    pairs = [_OPTION.fullmatch(pair) for pair in query.split("&")] if query else []
    options = {pair["name"]: _decode(pair["value"]) for pair in pairs if pair}
    if len(options) != len(pairs):
        raise _refusal("url had an option twice, or one that is not name=value with small letters")
    return options


def _decode(text: str, *, may_have_percent: bool = False) -> str:
    decoded = unquote(text)
    # Apprise decodes some parts twice, so a part that still has an escape would be read differently.
    if not decoded.isprintable() or "\ufffd" in decoded or ("%" in decoded and not may_have_percent):
        raise _refusal(_NOT_PLAIN)
    return decoded


def _write(parts: _Parts) -> str:
    user = quote(parts.user, safe="") + (f":{quote(parts.password, safe='')}" if parts.password else "")
    host = parts.host if parts.host.startswith("[") else quote(parts.host, safe="")
    place = (f"{user}@" if user else "") + host + (f":{parts.port}" if parts.port else "")
    path = "/".join(quote(segment, safe="") for segment in parts.path)
    options = "&".join(f"{name}={quote(value, safe='')}" for name, value in parts.options.items())
    return f"{parts.service}://{place}{path}" + (f"?{options}" if options else "")


def find_target(guard: UrlGuard, host: str, port: int, *, is_mail: bool, is_safe: bool) -> Target:
    """Return where a message goes; `is_safe` says whether the connection is encrypted.

    Raises:
        InvalidRequest: the address is not allowed.

    """
    rules = UrlGuard(guard.trusted, _MAIL_PORTS) if is_mail else guard
    plain = host.strip("[]")
    if not _HOST.fullmatch(plain):
        # Another letter would make the guard read something else than a host.
        raise _refusal(_NOT_PLAIN)
    shown = f"[{plain}]" if ":" in plain else plain
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
