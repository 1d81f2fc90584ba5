"""The texts of the code that the catalogue must have: of calls, of templates and of tables of labels."""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from jinja2 import nodes

from kaboom.dashboard.labels import LABELS
from kaboom.text.tables import CODES, HEADERS, TITLES
from tests.fixtures.repo.repository import load_modules

TEMPLATES = Path(__file__).resolve().parents[2] / "src/kaboom/dashboard/templates"
#: Contexts whose texts are matched by template, not looked up: `tests/text/test_translate.py` and
#: `tests/cli/test_japanese_help.py` look for them in the code.
MATCHED = frozenset({"error", "help", "help_heading", "help_ending"})
#: Calls in Python, and which of their arguments is a text.
_CALLS = {
    **dict.fromkeys(("say", "tell", "gettext", "gettext_noop", "pair_of"), 0),
    "print_if_json_or_empty": 1,
    "print_state": 2,
    "save_file": 2,
}
#: What says a text that it is given, or one in a context, which is a label's.
_PASSING = ("src/kaboom/pictures/", "src/kaboom/analysis/fake_openrouter.py")


@dataclass(frozen=True, slots=True)
class Text:
    """A text of the code: its context, its English, and its form for several if it has one."""

    context: str
    english: str
    several: str = ""


@cache
def extract() -> Mapping[Text, str]:
    """Return every text of the code with the place of its first use."""
    found: dict[Text, str] = {}
    for texts in (of_python(), of_templates(), of_tables()):
        for place, text in texts:
            found.setdefault(text, place)
    plural = {(text.context, text.english) for text in found if text.several}
    # As in gettext, an entry with two forms serves for its first form alone.
    return {t: place for t, place in found.items() if t.several or (t.context, t.english) not in plural}


def of_python() -> Iterator[tuple[str, Text]]:
    """Yield the texts of calls in Python."""
    for module in load_modules("src/kaboom"):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and not module.name.startswith(_PASSING):
                yield from ((f"{module.name}:{node.lineno}", text) for text in _of_call(node))


def _of_call(call: ast.Call) -> Iterator[Text]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    strings = [list(_strings(argument)) for argument in call.args]
    if name in {"count", "ngettext"} and len(strings) > 2 and strings[0] and strings[1]:
        yield Text("", strings[0][0], strings[1][0])
    if name in _CALLS and len(strings) > _CALLS[name]:
        context = strings[2] if name == "gettext" and len(strings) > 2 else [""]
        yield from (Text(context[0], english) for english in strings[_CALLS[name]] if context)
    yield from (
        Text("", english) for each in call.keywords if each.arg == "missing" for english in _strings(each.value)
    )


def _strings(node: ast.expr) -> Iterator[str]:
    """Yield the text of a literal, or the texts of a choice between literals."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*_strings(node.body), *_strings(node.orelse))


def of_templates() -> Iterator[tuple[str, Text]]:
    """Yield the texts of calls in templates.

    Raises:
        ValueError: a text is no literal, so nobody can find it.

    """
    for place, call in _calls():
        if (form := _FORMS.get(call.node.name)) is None:  # type: ignore[attr-defined]  # a name, says `_calls`
            continue
        strings = [list(_choices(argument)) for argument in call.args]
        if not all(strings):
            raise ValueError(f"{place}: expected literals")
        yield from ((place, text) for text in form(strings))


_FORMS: Mapping[str, Callable[[list[list[str]]], list[Text]]] = {
    "_": lambda given: [Text("", english) for english in given[0]],
    "_html": lambda given: [Text("", english) for english in given[0]],
    "pgettext": lambda given: [Text(given[0][0], english) for english in given[1]],
    "ngettext": lambda given: [Text("", given[0][0], given[1][0])],
}


def kinds_of_templates() -> Iterator[tuple[str, str]]:
    """Yield the place and the kind of each `code("kind", …)`."""
    for place, call in _calls():
        if call.node.name == "code":  # type: ignore[attr-defined]  # a name, says `_calls`
            yield from ((place, kind) for kind in _choices(call.args[0]))


def _calls() -> Iterator[tuple[str, nodes.Call]]:
    environment = jinja2.Environment(autoescape=True)
    for path in sorted(TEMPLATES.rglob("*.html")):
        for call in environment.parse(path.read_text()).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name):
                yield f"{path.relative_to(TEMPLATES)}:{call.lineno}", call


def _choices(node: nodes.Node | None) -> Iterator[str]:
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, nodes.CondExpr):
        yield from (*_choices(node.expr1), *_choices(node.expr2))


def of_tables() -> Iterator[tuple[str, Text]]:
    """Yield headers and labels."""
    yield from (("HEADERS", Text(f"column {name}", english)) for name, english in HEADERS.items())
    for table, kinds in (("CODES", CODES), ("TITLES", TITLES), ("LABELS", LABELS)):
        for kind, labels in kinds.items():
            for code, label in labels.items():
                forms = (label,) if isinstance(label, str) else label
                yield table, Text(f"{kind} {code}", *forms)
