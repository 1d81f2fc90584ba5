"""Translates the English text of an error by the catalogue of details.

Errors are raised in English, where no language is known. A detail of the catalogue is a pair of templates; the text
is matched with the English one, and its values fill the Japanese one.
"""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from kaboom.text.details.accounts import ACCOUNT_DETAILS
from kaboom.text.details.alerts import ALERT_DETAILS
from kaboom.text.details.analyses import ANALYSIS_DETAILS
from kaboom.text.details.backtests import BACKTEST_DETAILS
from kaboom.text.details.files import FILE_DETAILS
from kaboom.text.details.findings import FINDING_DETAILS
from kaboom.text.details.instruments import INSTRUMENT_DETAILS
from kaboom.text.details.notifications import NOTIFICATION_DETAILS
from kaboom.text.details.portfolios import PORTFOLIO_DETAILS
from kaboom.text.details.requests import REQUEST_DETAILS
from kaboom.text.details.servers import SERVER_DETAILS
from kaboom.text.details.settings import SETTING_DETAILS
from kaboom.text.details.state import STATE_DETAILS
from kaboom.text.details.validation import VALIDATION_DETAILS
from kaboom.text.language import Language, Pair

DETAILS: Sequence[Pair] = (
    *REQUEST_DETAILS,
    *INSTRUMENT_DETAILS,
    *STATE_DETAILS,
    *ACCOUNT_DETAILS,
    *VALIDATION_DETAILS,
    *SERVER_DETAILS,
    *SETTING_DETAILS,
    *FILE_DETAILS,
    *FINDING_DETAILS,
    *ALERT_DETAILS,
    *PORTFOLIO_DETAILS,
    *ANALYSIS_DETAILS,
    *NOTIFICATION_DETAILS,
    # Last: one of its templates begins with a field.
    *BACKTEST_DETAILS,
)
#: A field of this name, with or without a digit after it, holds another detail.
NESTED = "why"
_MOST_DEPTH = 3


@dataclass(frozen=True, slots=True)
class _Template:
    """An English template: the literals around its fields, and the Japanese one."""

    literals: tuple[str, ...]
    fields: tuple[str, ...]
    japanese: str

    def match(self, text: str) -> dict[str, str] | None:
        """Return the values of the fields, None where the text is of another template."""
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


def translate(text: str, language: Language) -> str:
    """Return a text of the catalogue in a language; any other text as it is."""
    return _translate(text, _MOST_DEPTH) if language == "ja" else text


def _translate(text: str, depth: int) -> str:
    for template in _templates():
        values = template.match(text)
        if values is not None:
            for name in values:
                if depth and _is_nested(name):
                    values[name] = _translate(values[name], depth - 1)
            return template.japanese.format(**values)
    return text


@cache
def _templates() -> list[_Template]:
    """Return the templates: those around another detail first, then those with most literal text."""
    templates = [_compile(english, japanese) for english, japanese in DETAILS]
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
