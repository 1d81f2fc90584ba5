"""The preferences of a viewer: language by cookie or Accept-Language; theme and price colours by cookie."""

from collections.abc import Mapping
from typing import Literal

from fastapi import Request

from kaboom.text.language import Language
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
