"""A form as its template shows it: the labels of its fields, and what was refused of each, in the reader's words."""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from kaboom.text.catalogue import Language, gettext, gettext_noop
from kaboom.text.translate import translate

_AMOUNT = r"(?P<n>-?[0-9.]+)"
#: What pydantic says of a value, and what a form says instead; other reasons are shown as the API words them.
_WORDS: Sequence[tuple[re.Pattern[str], str]] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"Field required|String should have at least 1 character", gettext_noop("Fill this in.")),
        (r"String should have at least (?P<n>\d+) .*", gettext_noop("Enter at least {n} characters.")),
        (r"String should have at most (?P<n>\d+) .*", gettext_noop("Enter at most {n} characters.")),
        (r"(List|Dictionary) should have at least 1 item .*", gettext_noop("Choose at least one.")),
        (r"(List|Dictionary) should have at most (?P<n>\d+) items? .*", gettext_noop("Choose at most {n}.")),
        (r"Input should be a valid integer.*", gettext_noop("Enter a whole number.")),
        (r"Input should be a (valid|finite) number.*", gettext_noop("Enter a number.")),
        (rf"Input should be greater than or equal to {_AMOUNT}", gettext_noop("Enter {n} or more.")),
        (rf"Input should be greater than {_AMOUNT}", gettext_noop("Enter more than {n}.")),
        (rf"Input should be less than or equal to {_AMOUNT}", gettext_noop("Enter {n} or less.")),
        (rf"Input should be less than {_AMOUNT}", gettext_noop("Enter less than {n}.")),
        (r"Input should be a valid dictionary.*", gettext_noop("Enter a JSON object, such as {{}}.")),
        (r"Input should be (?P<n>'.*')", gettext_noop("Choose one of {n}.")),
        (r"String should match pattern '\^\(1\[6-9\].*:.*", gettext_noop("Enter a time from 16:00 to 23:59.")),
        (r"String should match pattern '.*:\[0-5\].*", gettext_noop("Enter a time from 00:00 to 23:59.")),
        (r"String should match pattern '.*0-9a-f\]\{32\}.*", gettext_noop("Enter an id of 32 hex digits.")),
        (r"(\w+ )?was .*, expected yen from 0 to .*", gettext_noop("Enter an amount, such as 1234.5.")),
        (r"String should match pattern .*", gettext_noop("This is not of the expected form.")),
    )
)
#: A part of a pointer that names a field of an object; others are places in lists, keys, or kinds of values.
_NAMED = re.compile(r"(?!(int|str|float|bool|date|datetime)$)[a-z_]\w*")


@dataclass(frozen=True, slots=True)
class Fault:
    """What was wrong with one field: where the API found it, the label of the field, and the reason."""

    key: str
    label: str
    words: str


@dataclass(frozen=True, slots=True)
class Form:
    """A form.

    Attributes:
        labels: the label of each field, by the pointer of its value in the API's request, without `#/`.
        problem: the API's problem if the form was refused.
        faults: what was wrong, one entry for each field.
        part: a prefix of ids, where a page has several forms.

    """

    labels: Mapping[str, str]
    problem: Mapping[str, Any] | None
    faults: Sequence[Fault]
    part: str

    def id(self, key: str) -> str:
        """Return the id of a field; it stays the same when the page is loaded again."""
        return "f-" + "-".join(filter(None, (self.part, *re.findall(r"\w+", key))))

    def words(self, key: str) -> str:
        """Return what is wrong with a field; "" if nothing is."""
        return next((fault.words for fault in self.faults if fault.key == key), "")

    def wrong(self, key: str) -> Markup:
        """Return the attributes of a control of a field that tell what is wrong with it."""
        if not self.words(key):
            return Markup()
        return Markup(' aria-invalid="true" aria-describedby="{}-fault"').format(self.id(key))

    def at(self, key: str) -> Markup:
        """Return the attributes of the only control of a field: its id, and what is wrong with it."""
        return Markup(' id="{}"').format(self.id(key)) + self.wrong(key)


@pass_context
def form_of(
    context: Context,
    labels: Mapping[str, str],
    problem: Mapping[str, Any] | None,
    *,
    part: str = "",
    percents: Container[str] = (),
) -> Form:
    """Return a form; values of the fields in `percents` are shares to the API and percentages to the reader."""
    language: Language = "ja" if context["lang"] == "ja" else "en"
    found: dict[str, list[str]] = {}
    for each in (problem or {}).get("errors", ()):
        pointer = each["pointer"].lstrip("#/")
        key = _key_of(pointer, labels)
        detail = each["detail"].removeprefix(f"{pointer.rpartition('/')[2]} ") if language == "en" else each["detail"]
        words = say_fault(detail, language, is_percent=key in percents)
        # The name of a value in a field that has several, such as JSON.
        within = pointer.removeprefix(key).split("/") if key in labels and "/" not in key else ()
        inner = [part for part in within if _NAMED.fullmatch(part)]
        said = found.setdefault(key, [])
        if (text := " ".join([*(f"{part}:" for part in inner[-1:]), words])) not in said:
            said.append(text)
    faults = [Fault(key, labels.get(key, key), " ".join(said)) for key, said in found.items()]
    places = list(labels)
    faults.sort(key=lambda fault: places.index(fault.key) if fault.key in labels else len(places))
    return Form(labels, problem, faults, part)


def _key_of(pointer: str, labels: Mapping[str, str]) -> str:
    """Return the field that a pointer leads to or into; the pointer itself if the form has no such field."""
    fitting = [key for key in labels if pointer == key or pointer.startswith(f"{key}/")]
    return max(fitting, key=len, default=pointer)


def say_fault(detail: str, language: Language, *, is_percent: bool = False) -> str:
    """Return the reason for a refused value as a form says it; `detail` may have been translated already."""
    for pattern, words in _WORDS:
        if found := pattern.fullmatch(detail):
            values = found.groupdict()
            if is_percent and "n" in values:
                values["n"] = f"{(Decimal(values['n']) * 100).normalize():f}%"
            return gettext(words, language).format(**values)
    return translate(detail, language)
