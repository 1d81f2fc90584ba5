"""Translates a text that is made elsewhere, such as the English text of an error, by the templates of the catalogue.

Errors are raised in English, where no language is known. The text is matched with the English template of an entry,
and its values fill the Japanese one.
"""

import string
from dataclasses import dataclass
from functools import cache

from kaboom.text.catalogue import Language, load_japanese

#: The context of errors and findings, and of what `--help` adds behind a text.
ERROR, HELP_ENDING = "error", "help_ending"
#: A field of this name, with or without a digit after it, holds another text of the same context.
NESTED = "why"
_MOST_DEPTH = 3


@dataclass(frozen=True, slots=True)
class _Template:
    """An English template: the literals around its fields, and the Japanese one."""

    literals: tuple[str, ...]
    fields: tuple[str, ...]
    japanese: str

    def match(self, text: str) -> dict[str, str] | None:
        """Return the values of the fields; None if another template made the text."""
        first, *middle = self.literals
        if not self.fields or not text.startswith(first):
            return {} if text == first and not self.fields else None
        last, place, values = middle.pop(), len(first), list[str]()
        for literal in middle:
            end = text.find(literal, place + 1)
            if end < 0:
                return None
            values.append(text[place:end])
            place = end + len(literal)
        end = len(text) - len(last)
        if end <= place or not text.endswith(last):
            return None
        return dict(zip(self.fields, [*values, text[place:end]], strict=True))


def translate(text: str, language: Language, context: str = ERROR) -> str:
    """Return a text of a template of the catalogue in a language; any other text as it is."""
    return _translate(text, context, _MOST_DEPTH) if language == "ja" else text


def _translate(text: str, context: str, depth: int) -> str:
    for template in _templates(context):
        values = template.match(text)
        if values is not None:
            for name in values:
                if depth and _is_nested(name):
                    values[name] = _translate(values[name], context, depth - 1)
            return template.japanese.format(**values)
    return text


@cache
def _templates(context: str) -> list[_Template]:
    """Return the templates in the order to try them.

    Those with a nested text come first, so that no other template takes that text for a plain value and leaves it in
    English. Of the others, the one with the most literal text is the most specific.
    """
    templates = [_compile(english, japanese) for english, japanese in load_japanese()[context].items()]
    return sorted(templates, key=lambda t: (not any(map(_is_nested, t.fields)), -sum(map(len, t.literals))))


def _is_nested(name: str) -> bool:
    return name.rstrip("0123456789") == NESTED


def _compile(english: str, japanese: str) -> _Template:
    literals, fields = [""], list[str]()
    for literal, name, _, _ in string.Formatter().parse(english):
        literals[-1] += literal
        if name:
            fields.append(name)
            literals.append("")
    return _Template(tuple(literals), tuple(fields), japanese)
