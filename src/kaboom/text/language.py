"""Which language a person reads: English or Japanese."""

import os
from typing import Literal

type Language = Literal["en", "ja"]
#: A text in both languages.
type Pair = tuple[str, str]

#: POSIX: the first of these that is set decides the language of messages.
_POSIX = ("LC_ALL", "LC_MESSAGES", "LANG")


def choose_language(wanted: str | None = None) -> Language:
    """Return the language asked for, else that of KABOOM_LANG, else that of the locale; English where none is set."""
    named = (wanted, os.environ.get("KABOOM_LANG"), *(os.environ.get(name) for name in _POSIX))
    return _parse(next((text for text in named if text), ""))


def _parse(text: str) -> Language:
    """Read `ja`, `ja-JP` or a locale such as `ja_JP.UTF-8`."""
    name = text.lower().replace("-", "_").partition(".")[0].partition("@")[0].partition("_")[0]
    return "ja" if name == "ja" else "en"
