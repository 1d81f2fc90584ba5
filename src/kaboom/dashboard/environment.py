"""The Jinja2 environment of the templates, with its filters; values are escaped, and undefined names are errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from pydantic import BaseModel

from kaboom.dashboard.analyses import caution, dollars, figure, say
from kaboom.dashboard.form import form_of
from kaboom.dashboard.job_rows import area_of, job_page, page_of
from kaboom.dashboard.labels import label
from kaboom.dashboard.links import link_to, page_showing
from kaboom.jobs.api.view import JobView
from kaboom.market.calendar import JST
from kaboom.text.catalogue import Language, gettext, gettext_noop, ngettext
from kaboom.text.tables import CODES
from kaboom.text.translate import translate

_DAYS = (
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    ("月", "火", "水", "木", "金", "土", "日"),
)
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
#: Seconds of a unit, and a text with a number of it.
_UNITS = (
    (86_400, gettext_noop("{n} d")), (3600, gettext_noop("{n} h")), (60, gettext_noop("{n} min")),
    (1, gettext_noop("{n} s")),
)  # fmt: skip
#: Shown for an unknown value, instead of 0.
UNKNOWN = "\N{EN DASH}"


def number(value: float | None) -> str:
    """Return a number such as 1,651, or such as 21.2 for a fraction under 100; a dash if it is unknown."""
    if value is None:
        return UNKNOWN
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.1f}"


def percent(part: float | None, whole: float | None = 100) -> str:
    """Return a part of a whole in percent with one decimal; only the whole is shown as 100."""
    if part is None or not whole:
        return UNKNOWN
    share = 100 * part / whole
    if share >= 99.95 and part < whole:
        share = 99.9
    if 0 < share < 0.05:
        return "<0.1"
    return "100" if share == 100 else f"{share:.1f}"


@pass_context
def unit(context: Context, value: float | None, name: str) -> Markup:
    """Return a number with its unit in a muted style, without a line break; Japanese has no space before the unit."""
    space = "" if _is_japanese(context) else " "
    return Markup('<span class="nowrap">{}<span class="u">{}{}</span></span>').format(number(value), space, name)


def clock(at: str | datetime | None) -> Markup | str:
    """Return the time of day in Japan; its tooltip shows UTC."""
    moment = _parse(at)
    return _time(moment, f"{moment.astimezone(JST):%H:%M:%S}") if moment else UNKNOWN


def clock_ms(at: str | datetime | None) -> Markup | str:
    """Return the time of day in Japan with milliseconds, for log lines."""
    moment = _parse(at)
    return _time(moment, f"{moment.astimezone(JST):%H:%M:%S.%f}"[:-3]) if moment else UNKNOWN


@pass_context
def instant(context: Context, at: str | datetime | None) -> Markup | str:
    """Return a time in Japan with its date, which has no year if it is this year's; its tooltip shows UTC."""
    moment = _parse(at)
    if moment is None:
        return UNKNOWN
    local, today = moment.astimezone(JST), context["now"].astimezone(JST)
    is_this_year = local.year == today.year
    shown_day = _short_day(local, is_japanese=_is_japanese(context)) if is_this_year else f"{local:%Y-%m-%d}"
    return _time(moment, f"{shown_day} {local:%H:%M:%S}")


@pass_context
def day(context: Context, value: str | date | None) -> str:
    """Return a long date: Friday, 27 November 2026; in Japanese with the weekday in brackets."""
    found = _date(value)
    if found is None:
        return UNKNOWN
    if _is_japanese(context):
        return f"{found.year}年{found.month}月{found.day}日（{_DAYS[1][found.weekday()]}）"  # noqa: RUF001
    return f"{_DAYS[0][found.weekday()]}, {found.day} {_MONTHS[found.month - 1]} {found.year}"


@pass_context
def dated(context: Context, value: str | date | None) -> str:
    """Return an ISO date with its weekday, for tables: Fri 2026-11-27 or 2026-11-27（金）."""  # noqa: RUF002
    found = _date(value)
    if found is None:
        return UNKNOWN
    if _is_japanese(context):
        return f"{found}（{_DAYS[1][found.weekday()]}）"  # noqa: RUF001
    return f"{_DAYS[0][found.weekday()][:3]} {found}"


@pass_context
def short_day(context: Context, value: str | date | None) -> str:
    """Return a short date: 27 Nov or 11/27."""
    found = _date(value)
    return _short_day(found, is_japanese=_is_japanese(context)) if found else UNKNOWN


@pass_context
def duration(context: Context, seconds: float | None) -> str:
    """Return a duration with its two largest units: 1 min 18 s or 1分18秒."""
    if seconds is None:
        return UNKNOWN
    if seconds < 10:
        return _in_unit(context, _UNITS[-1][1], f"{seconds:.1f}".removesuffix(".0"))
    left, parts = round(seconds), list[str]()
    for size, unit_text in _UNITS:
        if left >= size:
            parts.append(_in_unit(context, unit_text, left // size))
            left %= size
    return ("" if _is_japanese(context) else " ").join(parts[:2])


@pass_context
def span(context: Context, low: float | None, high: float | None) -> str:
    """Return a range of durations in one unit: 55–75 s or 55～75秒."""  # noqa: RUF002
    if low is None or high is None:
        return UNKNOWN
    # Choose a unit of which `high` has at least two, so that rounding does not hide the range.
    size, unit_text = next((each for each in _UNITS if high >= 2 * each[0]), _UNITS[-1])
    first, last = int(low // size), max(1, round(high / size))
    dash = "～" if _is_japanese(context) else "–"  # noqa: RUF001
    text = f"{last}" if first >= last else f"{first}{dash}{last}"
    return _in_unit(context, unit_text, text)


@pass_context
def took(context: Context, job: JobView) -> float | None:
    """Return the seconds that a job took, or has been running so far."""
    if job.started_at is None:
        return None
    return max(0.0, ((job.completed_at or context["now"]) - job.started_at).total_seconds())


@pass_context
def until(context: Context, at: datetime) -> float:
    """Return the seconds from now until a time; negative if it is past."""
    seconds: float = (at - context["now"]).total_seconds()
    return seconds


def iso(at: str | datetime | None) -> str:
    """Return a time as ISO 8601 in UTC, for machines."""
    moment = _parse(at)
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else ""


def _time(moment: datetime, shown: str) -> Markup:
    utc = moment.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}" class="nowrap">{}</time>').format(
        f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%Y-%m-%d %H:%M:%S} UTC", shown
    )


def _parse(at: str | datetime | None) -> datetime | None:
    if isinstance(at, str):
        return datetime.fromisoformat(at) if at else None
    return at


def _date(value: str | date | None) -> date | None:
    if isinstance(value, str):
        return date.fromisoformat(value[:10]) if value else None
    return value


def _short_day(value: date, *, is_japanese: bool) -> str:
    return f"{value.month}/{value.day}" if is_japanese else f"{value.day} {_MONTHS[value.month - 1][:3]}"


def _is_japanese(context: Context) -> bool:
    return bool(context["lang"] == "ja")


def _in_unit(context: Context, text: str, n: int | str) -> str:
    return gettext(text, "ja" if _is_japanese(context) else "en").format(n=n)


FILTERS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (number, percent, unit, clock, clock_ms, instant, day, dated, short_day, duration, span, iso)
}


def yen(amount: Decimal | None) -> str:
    """Return an amount with commas, rounded to a hundredth of a yen; a dash if it is unknown."""
    return UNKNOWN if amount is None else _short(amount, "")


def signed_yen(amount: Decimal | None) -> str:
    """Return an amount like `yen`, with its sign; a dash if it is unknown."""
    if amount is None:
        return UNKNOWN
    return _short(amount, "+").replace("-", "\N{MINUS SIGN}") if amount else "0"


def direction(amount: Decimal | None) -> str:
    """Return the class of an amount's colour: `up`, `down`, or "" for neither."""
    return "" if not amount else "up" if amount > 0 else "down"


def share(value: Decimal | float | None, digits: int = 2) -> str:
    """Return a change as a percentage with its sign and colour; one that rounds to 0 has neither."""
    if value is None:
        return UNKNOWN
    rounded = round(Decimal(100 * value), digits)
    text = f"{rounded:+.{digits}f}" if rounded else f"{0:.{digits}f}"
    return Markup('<span class="{}">{}%</span>').format(direction(rounded), text.replace("-", "\N{MINUS SIGN}"))


def _short(amount: Decimal, sign: str) -> str:
    return f"{amount:{sign},.2f}".rstrip("0").rstrip(".")


#: Functions that templates call by their names.
_FUNCTIONS = (
    area_of, caution, direction, dollars, figure, form_of, job_page, link_to, page_of, page_showing, say,
    share, signed_yen, took, until, yen,
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
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "default": _dump_view}
    environment.filters |= FILTERS | {"detail": _translate}
    environment.globals |= {
        "_": _say, "pgettext": _say_in, "ngettext": _say_form, "_html": _say_html, "code": _say_code,
        "outcome_word": _say_outcome, "static": static, "release": release, "places": PLACES,
        "known_tasks": CODES["task"],
    }  # fmt: skip
    environment.globals |= {each.__name__: each for each in _FUNCTIONS}
    return environment


def _dump_view(view: BaseModel) -> object:
    """Return a view of the API as JSON, for the filter `tojson`."""
    return view.model_dump(mode="json")


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
    Place("screens", "/screens", is_in_more=True),
    Place("portfolios", "/portfolios", scope="portfolios:read"),
    Place("schedules", "/schedules"),
    Place("pipelines", "/pipelines", is_in_more=True),
    Place("workers", "/workers"),
    Place("notifications", "/notifications", scope="admin"),
    Place("webhooks", "/webhooks", is_in_more=True),
    Place("quarantine", "/quarantine", is_in_more=True),
    Place("dead_letters", "/dead-letters", is_in_more=True),
    Place("settings", "/settings", scope="admin", is_in_more=True),
    Place("users", "/users", scope="admin", is_in_more=True),
    Place("tokens", "/tokens", scope="admin", is_in_more=True),
    Place("sessions", "/sessions", is_in_more=True),
    Place("audit", "/audit", scope="admin", is_in_more=True),
    Place("docs", "/docs", is_in_more=True),
    Place("more", "/more", "t-m"),
)
