"""The viewer of a page: language, theme, price colours and rights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from fastapi import Request

from kaboom.accounts.directory import USER_PREFIX
from kaboom.drivers.clock import utc_now
from kaboom.errors import Forbidden, InvalidRequest, NotAuthorized
from kaboom.text.catalogue import Language
from kaboom.web.auth.changes import find_context
from kaboom.web.auth.cookies import BY_COOKIE, csrf_token_of, find_origin_fault, mask_csrf_token, read_session_value
from kaboom.web.auth.guard import is_confirmed
from kaboom.web.auth.principals import Principal
from kaboom.web.errors import accepted_language

type Theme = Literal["", "light", "dark"]
type UpDown = Literal["jp", "intl", "mono"]

#: The values of each preference, by the name in `/prefer?name=value`; the first is the default.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "lang": ("auto", "en", "ja"),
    "theme": ("auto", "light", "dark"),
    "updown": ("jp", "intl", "mono"),
}
#: A cookie of a preference is kept for a year.
KEPT_S = 365 * 86_400


def cookie_of(name: str) -> str:
    """Return the name of the cookie that keeps a preference."""
    return f"kaboom_{name}"


def choose_language(request: Request) -> Language:
    """Return the language of the cookie, else of Accept-Language."""
    chosen = _chosen(request, "lang")
    if chosen != "auto":
        return "ja" if chosen == "ja" else "en"
    return accepted_language(request.headers.get("accept-language", ""))


def choose_theme(request: Request) -> Theme:
    """Return the theme of the cookie; "" follows the system."""
    chosen = _chosen(request, "theme")
    return "light" if chosen == "light" else "dark" if chosen == "dark" else ""


def choose_updown(request: Request) -> UpDown:
    """Return the price colours of the cookie: Japanese (red is up), international (green is up) or without colour."""
    chosen = _chosen(request, "updown")
    return "intl" if chosen == "intl" else "mono" if chosen == "mono" else "jp"


def _chosen(request: Request, name: str) -> str:
    value = request.cookies.get(cookie_of(name), "")
    return value if value in CHOICES[name] else CHOICES[name][0]


_MOST_FIELDS = 1000
_PATH_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Viewer:
    """The viewer of a page.

    Attributes:
        principal: the caller; None on the public pages before the log-in.
        language, theme, updown: the viewer's preferences.
        csrf: the token that a change through a session must have; "" without a session.
        came_from: the page from which the viewer comes, as far as the browser says; "/" if it says none.
        now: the time of the request, UTC.

    """

    principal: Principal | None
    language: Language
    theme: Theme = ""
    updown: UpDown = "jp"
    csrf: str = ""
    came_from: str = "/"
    now: datetime = field(kw_only=True)

    @property
    def owner(self) -> str:
        """Whose jobs the viewer sees.

        Raises:
            NotAuthorized: the viewer has not logged in.

        """
        if self.principal is None:
            raise NotAuthorized("the request was not authenticated, and this answer depends on the caller")
        return self.principal.owner

    @property
    def is_confirmed(self) -> bool:
        """Whether admin changes need no password now."""
        return self.principal is None or is_confirmed(self.principal)

    @property
    def has_password(self) -> bool:
        """Whether the viewer is a user with a password, not the holder of a token."""
        return self.principal is not None and self.principal.subject.startswith(USER_PREFIX)

    def may(self, scope: str) -> bool:
        """Return whether the viewer has a scope, such as `jobs:write`; pages disable actions that need other scopes."""
        return self.principal is not None and scope in self.principal.scopes


def viewer_of(request: Request) -> Viewer:
    """Return the viewer of a request."""
    context = find_context(request.scope)
    principal = context.principal if context else None
    is_by_cookie = principal is not None and principal.method == BY_COOKIE
    value = read_session_value(dict(request.scope["headers"])) if is_by_cookie else ""
    csrf = mask_csrf_token(csrf_token_of(value)) if value else ""
    preferences = (choose_language(request), choose_theme(request), choose_updown(request))
    return Viewer(principal, *preferences, csrf, _came_from(request), now=utc_now())


def _came_from(request: Request) -> str:
    try:
        parts = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return "/"
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return path if is_own_path(path) else "/"


def is_own_path(path: str) -> bool:
    """Return whether a path is a page of this site, so that a redirect to it cannot lead to another site."""
    if not path.startswith("/") or path.startswith("//") or len(path) > _PATH_CHARACTERS:
        return False
    # Browsers treat a backslash as a slash, and drop control characters.
    return "\\" not in path and path.isprintable() and not urlsplit(path).netloc


async def read_form(request: Request) -> Mapping[str, list[str]]:
    """Return the fields of a form that one of our own pages sent.

    Raises:
        Forbidden: another site sent it.
        InvalidRequest: the form has too many fields, or is not UTF-8.

    """
    if fault := find_origin_fault(dict(request.scope["headers"])):
        raise Forbidden(fault)
    try:
        return parse_qs((await request.body()).decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as e:
        raise InvalidRequest(f"the form was not UTF-8, or had more than {_MOST_FIELDS} fields") from e


async def check_form(request: Request) -> None:
    """Reject a form whose fields are not read, such as that of a single button, as `read_form` does.

    Raises:
        Forbidden: another site sent it.
        InvalidRequest: the form has too many fields, or is not UTF-8.

    """
    await read_form(request)


def first_of(fields: Mapping[str, Sequence[str]], name: str) -> str:
    """Return the first value of a form field; "" if it has none."""
    return next(iter(fields.get(name, ())), "")


def number_or_text(text: str) -> int | str:
    """Return an integer; return other text unchanged, so that the API rejects it with its own message."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else text
