"""The Japanese of every text, by the English sentence that the code says: `ja.po`, which translators' tools open."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from kaboom.text.language import Language, Pair

#: A line of an entry: a keyword with its text, or more of the text above.
_LINE = re.compile(r'^(?:(msg\w+)(?:\[0\])? )?"(.*)"$', re.MULTILINE)
_ESCAPES = {"n": "\n", "t": "\t"}


def gettext(text: str, language: Language, context: str = "") -> str:
    """Return an English text in a language; as it is where the catalogue lacks it."""
    return text if language == "en" else load_japanese().get(context, {}).get(text, text)


def ngettext(one: str, several: str, n: object, language: Language, context: str = "") -> str:
    """Return the form of a text for a number; Japanese has one form."""
    if language == "en":
        return one if str(n) == "1" else several
    return gettext(one, language, context)


def gettext_noop(text: str) -> str:
    """Return a text as it is; the catalogue must have it, since `gettext` gets it elsewhere."""
    return text


def pair_of(text: str, context: str = "") -> Pair:
    """Return a text in English and in Japanese."""
    return text, gettext(text, "ja", context)


@cache
def load_japanese() -> Mapping[str, Mapping[str, str]]:
    """Return the catalogue: by context, by English text."""
    return parse_catalogue(Path(__file__).with_name("ja.po").read_text("utf-8"))


def parse_catalogue(content: str) -> Mapping[str, Mapping[str, str]]:
    """Return the texts of a file of gettext (PO) by context and English text."""
    found: dict[str, dict[str, str]] = {}
    for entry in content.split("\n\n"):
        parts, keyword = {"msgctxt": ""}, ""
        for named, text in _LINE.findall(entry):
            keyword = named or keyword
            parts[keyword] = text if named else parts[keyword] + text
        # A text that has no Japanese yet stays English.
        if parts.get("msgid") and parts["msgstr"]:
            texts = found.setdefault(_unescape(parts["msgctxt"]), {})
            texts[_unescape(parts["msgid"])] = _unescape(parts["msgstr"])
    return found


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text)
