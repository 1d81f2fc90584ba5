"""The Japanese of every text, by the English sentence that the code says: `ja.po`, which translators' tools open."""

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

type Language = Literal["en", "ja"]
#: A text in both languages.
type Pair = tuple[str, str]

#: POSIX: the first of these that is set decides the language of messages.
_POSIX = ("LC_ALL", "LC_MESSAGES", "LANG")
#: A line of an entry: a keyword with its text, or more of the text above.
_LINE = re.compile(r'^(?:(msg\w+)(?:\[0\])? )?"(.*)"$', re.MULTILINE)
_ESCAPES = {"n": "\n", "t": "\t"}


def choose_language(wanted: str | None = None) -> Language:
    """Return the language asked for, else that of KABOOM_LANG, else that of the locale; English where none is set."""
    named = (wanted, os.environ.get("KABOOM_LANG"), *(os.environ.get(name) for name in _POSIX))
    return _parse(next((text for text in named if text), ""))


def _parse(text: str) -> Language:
    """Read `ja`, `ja-JP` or a locale such as `ja_JP.UTF-8`."""
    name = text.lower().replace("-", "_").partition(".")[0].partition("@")[0].partition("_")[0]
    return "ja" if name == "ja" else "en"


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
