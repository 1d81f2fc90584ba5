"""The Jinja2 environment of the templates: all values are escaped, and an undefined name is an error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from kaboom.dashboard.filters import FILTERS, number, took, until
from kaboom.dashboard.labels import label
from kaboom.dashboard.shapes.amounts import direction, signed_yen, yen
from kaboom.dashboard.shapes.analyses import caution, dollars, figure, say
from kaboom.dashboard.shapes.fetch_time import seconds_between
from kaboom.dashboard.shapes.job_rows import area_of, job_page, page_of
from kaboom.dashboard.shapes.links import link_to, page_showing
from kaboom.text.catalogue import gettext, ngettext
from kaboom.text.language import Language
from kaboom.text.tables import CODES
from kaboom.text.translate import translate

#: Functions that templates call by their names.
_FUNCTIONS = (
    area_of, caution, direction, dollars, figure, job_page, link_to, page_of, page_showing, say, seconds_between,
    signed_yen, took, until, yen,
)  # fmt: skip


def build_environment(*, static: Callable[[str], str], release: str) -> Environment:
    """Return an environment with the filters, the texts and `static`."""
    environment = Environment(
        loader=PackageLoader("kaboom.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= FILTERS | {"detail": _translate}
    environment.globals |= {
        "_": _say, "pgettext": _say_in, "ngettext": _say_form, "_html": _say_html, "code": _say_code,
        "outcome_word": _say_outcome, "static": static, "release": release, "places": PLACES,
        "known_tasks": CODES["task"],
    }  # fmt: skip
    environment.globals |= {each.__name__: each for each in _FUNCTIONS}
    return environment


def _language(context: Context) -> Language:
    return "ja" if context["lang"] == "ja" else "en"


@pass_context
def _say(context: Context, text: str, **values: object) -> str:
    """Return a text with its fields filled; integers are formatted like `number`."""
    return gettext(text, _language(context)).format(**_format(values))


@pass_context
def _say_in(context: Context, about: str, text: str, **values: object) -> str:
    """Return a text that has another Japanese in this context."""
    return gettext(text, _language(context), about).format(**_format(values))


@pass_context
def _say_form(context: Context, one: str, several: str, *, n: object, **values: object) -> str:
    """Return the form of a text for `n`."""
    return ngettext(one, several, n, _language(context)).format(**_format(values | {"n": n}))


@pass_context
def _say_html(context: Context, text: str, **values: object) -> Markup:
    """Return a text, which may contain HTML tags; values are escaped."""
    values = {name: escape(value) for name, value in _format(values).items()}
    return Markup(gettext(text, _language(context))).format(**values)  # noqa: S704  ours


def _format(values: Mapping[str, object]) -> dict[str, object]:
    return {name: number(value) if isinstance(value, int) else value for name, value in values.items()}


@pass_context
def _say_code(context: Context, kind: str, code: object, **values: object) -> str:
    """Return the label of a code, with its fields filled; return an unknown code unchanged."""
    text = label(kind, str(code), _language(context), n=values.get("n"))
    return text.format(**_format(values)) if values else text


@pass_context
def _say_outcome(context: Context, outcome: str) -> str:
    """Return the text of an outcome: in English its code with spaces, in Japanese its meaning."""
    return _say_code(context, "outcome", outcome) if context["lang"] == "ja" else outcome.replace("_", " ")


@pass_context
def _translate(context: Context, text: str) -> str:
    """Return the text of an error of the API, translated if the catalogue has it."""
    return translate(text, _language(context))


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation.

    Attributes:
        key: its name: `nav_<key>` in the shell's catalogue, and the value of `at` in its pages.
        path: the path of the page.
        icon: its icon in the tab bar of a phone; "" if it is not in the tab bar.
        letter: the key that opens it after `g`; "" if it has none.
        scope: the scope that a viewer needs to open it; "" if it needs none.
        is_in_more: whether it is on the page More, because the navigation bar has no room for it.

    """

    key: str
    path: str
    icon: str = ""
    letter: str = ""
    scope: str = ""
    is_in_more: bool = False


PLACES = (
    Place("overview", "/", "t-o", "o"),
    Place("jobs", "/jobs", "t-j", "j"),
    Place("data", "/data", "t-d", "d"),
    Place("backtests", "/backtests", "t-r", "b"),
    Place("analyses", "/analyses"),
    Place("portfolios", "/portfolios", scope="portfolios:read"),
    Place("schedules", "/schedules"),
    Place("workers", "/workers"),
    Place("notifications", "/notifications", scope="admin"),
    Place("webhooks", "/webhooks", is_in_more=True),
    Place("quarantine", "/quarantine", is_in_more=True),
    Place("settings", "/settings", scope="admin", is_in_more=True),
    Place("more", "/more", "t-m"),
)
