"""The Jinja2 environment of the templates: all values are escaped, and an undefined name is an error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from kaboom.dashboard.catalogue import find_text, load_words
from kaboom.dashboard.filters import FILTERS, number, took, until
from kaboom.dashboard.shapes.amounts import direction, signed_yen, yen
from kaboom.dashboard.shapes.analyses import caution, dollars, figure, say
from kaboom.dashboard.shapes.fetch_time import seconds_between
from kaboom.dashboard.shapes.job_rows import area_of, job_page, page_of
from kaboom.dashboard.shapes.links import link_to, page_showing
from kaboom.text.language import Language, choose_form
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
        "t": _say, "th": _say_html, "code": _say_code, "outcome_word": _say_outcome, "static": static,
        "release": release, "places": PLACES, "known_tasks": load_words("tasks"),
    }  # fmt: skip
    environment.globals |= {each.__name__: each for each in _FUNCTIONS}
    return environment


def _language(context: Context) -> Language:
    return "ja" if context["lang"] == "ja" else "en"


@pass_context
def _say(context: Context, key: str, **values: object) -> str:
    """Return the text of a key; `n` selects singular or plural, and integers are formatted like `number`."""
    return _find(context, key, values).format(**_format(values))


@pass_context
def _say_html(context: Context, key: str, **values: object) -> Markup:
    """Return the text of a key, which may contain HTML tags; values are escaped."""
    values = {name: escape(value) for name, value in _format(values).items()}
    return Markup(_find(context, key, values)).format(**values)  # noqa: S704  ours


def _find(context: Context, key: str, values: Mapping[str, object]) -> str:
    return choose_form(find_text(_language(context), key), values.get("n"))


def _format(values: Mapping[str, object]) -> dict[str, object]:
    return {name: number(value) if isinstance(value, int) else value for name, value in values.items()}


@pass_context
def _say_code(context: Context, kind: str, code: str) -> str:
    """Return the meaning of a code of the API; return an unknown code unchanged."""
    return CODES[kind].get(code, (code, code))[1 if context["lang"] == "ja" else 0]


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
