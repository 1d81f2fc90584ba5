"""The form of a job's request, made from the JSON schema of its `JobType`: its fields, and the request of a form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import orjson

from kaboom.catalog import CATALOG
from kaboom.dashboard.viewer import first_of
from kaboom.jobs.job_type import JobType
from kaboom.text.catalogue import Language
from kaboom.text.help import say_help

type FieldKind = Literal["choice", "flag", "number", "day", "symbols", "list", "numbers", "lookbacks", "json", "text"]
#: The prefix of the names of these fields, which a form may have beside its own.
PREFIX = "r_"
_MOST_LETTERS = 50_000


@dataclass(frozen=True, slots=True)
class RequestField:
    """A field of a request.

    Attributes:
        name: of the field in the request.
        kind: which control shows it.
        choices: the values of a choice.
        default: as text, "" without a default.
        is_required: whether a request needs it.
        about: its description in English.

    """

    name: str
    kind: FieldKind
    choices: Sequence[str]
    default: str
    is_required: bool
    about: str

    @property
    def key(self) -> str:
        """The name of its control."""
        return PREFIX + self.name

    def say_about(self, language: Language) -> str:
        """Return its description; "" if there is no Japanese of it."""
        return (say_help(self.about) or "") if language == "ja" else self.about

    def read(self, text: str) -> Any:
        """Return the JSON value of a text; text that cannot be read is unchanged, for the API to refuse."""
        if self.kind == "number":
            return _parse(text)
        if self.kind in {"symbols", "list", "numbers"}:
            words = text.replace("、", ",").replace(",", " ").split()
            return [_parse(word) for word in words] if self.kind == "numbers" else words
        if self.kind == "lookbacks":
            pairs = [part.partition("=") for part in text.replace("、", ",").replace(",", " ").split()]
            return {name: _parse(count) if found else 1 for name, found, count in pairs}
        if self.kind == "json":
            try:
                return orjson.loads(text)
            except ValueError:
                return text
        return text

    def show(self, value: Any) -> str:
        """Return a value of a request as text."""
        if self.kind == "flag":
            return "yes" if value else ""
        if value is None:
            return ""
        if self.kind in {"symbols", "list", "numbers"} and isinstance(value, list | tuple):
            return ", ".join(map(str, value))
        if self.kind == "lookbacks" and isinstance(value, Mapping):
            return ", ".join(f"{name}={count}" for name, count in value.items())
        return value if isinstance(value, str) else orjson.dumps(value).decode()


@cache
def list_request_fields(task: str) -> tuple[RequestField, ...]:
    """Return the fields of the requests of a task; `dry_run` is a button of its own."""
    schema = CATALOG.get(task).request.model_json_schema()
    needed = schema.get("required", ())
    return tuple(
        _field(name, about, is_required=name in needed)
        for name, about in schema.get("properties", {}).items()
        if name != "dry_run"
    )


def has_dry_run(job_type: JobType) -> bool:
    """Return whether a job of a type can end with its plan."""
    return "dry_run" in job_type.request.model_fields


def initial_values(job_type: JobType) -> dict[str, str]:
    """Return the fields of an empty form: defaults, and for what a request needs the values of the example."""
    fields = list_request_fields(job_type.name)
    needed = {field.name: job_type.example.get(field.name) for field in fields if field.is_required}
    given = job_type.request.fill_in({}) | needed
    return show_values(fields, given, default=True)


def given_values(job_type: JobType, query: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of an empty form, with those that a query names filled."""
    typed = {field.key: query.get(field.name, "")[:1000] for field in list_request_fields(job_type.name)}
    return initial_values(job_type) | {key: text for key, text in typed.items() if text}


def show_values(fields: Sequence[RequestField], request: Mapping[str, Any], *, default: bool = False) -> dict[str, str]:
    """Return a request as the values of a form; `default`: fields that it lacks have their default."""
    found = {}
    for field in fields:
        if field.name in request:
            found[field.key] = field.show(request[field.name])
        elif default or field.kind == "flag":
            found[field.key] = field.default
    return found


def read_values(fields: Sequence[RequestField], form: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the values of a form that was sent, to show it again."""
    return {field.key: first_of(form, field.key).strip()[:_MOST_LETTERS] for field in fields}


def to_request(fields: Sequence[RequestField], values: Mapping[str, str]) -> dict[str, Any]:
    """Return the request of a form; the API checks it. Empty fields and defaults are left out."""
    found: dict[str, Any] = {}
    for field in fields:
        text = values.get(field.key, "")
        if text == field.default and not field.is_required:
            continue
        if field.kind == "flag":
            found[field.name] = text == "yes"
        elif text:
            found[field.name] = field.read(text)
    return found


def _field(name: str, about: Mapping[str, Any], *, is_required: bool) -> RequestField:
    shape = next((each for each in about.get("anyOf", ()) if each.get("type") != "null"), about)
    kind = _kind_of(name, shape)
    field = RequestField(name, kind, tuple(shape.get("enum", ())), "", is_required, about.get("description", ""))
    default = about.get("default")
    if isinstance(default, bool) or (default is not None and kind != "json"):
        return RequestField(name, kind, field.choices, field.show(default), is_required, field.about)
    return field


#: The control of each type of JSON; without a type it is that of a time, which has two forms.
_KINDS: Mapping[str, FieldKind] = {
    "boolean": "flag", "integer": "number", "number": "number", "array": "list", "string": "text", "": "text",
}  # fmt: skip


def _kind_of(name: str, shape: Mapping[str, Any]) -> FieldKind:
    if "enum" in shape:
        return "choice"
    if name == "symbols":
        return "symbols"
    if shape.get("format") == "date":
        return "day"
    if "enum" in shape.get("propertyNames", {}):
        return "lookbacks"
    if shape.get("type") == "array" and shape.get("items", {}).get("type") in {"integer", "number"}:
        return "numbers"
    is_object = "$ref" in shape or "properties" in str(shape.get("anyOf", ""))
    return "json" if is_object else _KINDS.get(shape.get("type", ""), "json")


def _parse(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if text.isascii() and abs(value) < 10**15 else text
    return text
