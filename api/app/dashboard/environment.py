"""The Jinja2 environment of the templates: everything is escaped, and a name that is missing is an error."""

from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from app.dashboard.catalogue import choose_form, find_text, has_text
from app.dashboard.filters import FILTERS
from app.dashboard.nav import PLACES
from app.words.language import Language


def build_environment(*, static: Callable[[str], str], release: str) -> Environment:
    """Return an environment whose templates know the filters, the words and `static`."""
    environment = Environment(
        loader=PackageLoader("app.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= FILTERS
    environment.globals |= {
        "t": _say, "th": _say_html, "code": _say_code, "static": static, "release": release, "places": PLACES,
    }  # fmt: skip
    return environment


def _language(context: Context) -> Language:
    return "ja" if context["lang"] == "ja" else "en"


@pass_context
def _say(context: Context, key: str, **values: object) -> str:
    """Return the text of a key; `n` chooses between one and several."""
    return choose_form(find_text(_language(context), key), values.get("n")).format(**values)


@pass_context
def _say_html(context: Context, key: str, **values: object) -> Markup:
    """Return the text of a key, in which the catalogue may have tags; values are escaped."""
    text = choose_form(find_text(_language(context), key), values.get("count", values.get("n")))
    return Markup(text).format(**{name: escape(value) for name, value in values.items()})  # noqa: S704  ours


@pass_context
def _say_code(context: Context, catalogue: str, code: str) -> str:
    """Return the meaning of a code of the API; a code that this release does not know is shown as it is."""
    key = f"{catalogue}.{code}"
    return find_text(_language(context), key) if has_text(key) else code
