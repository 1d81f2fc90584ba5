"""Fonts of pictures: which one has Japanese characters, if any."""

from functools import cache

from matplotlib import font_manager

from kaboom.pictures.model import Language, Text

_LATIN = "DejaVu Sans"  # comes with matplotlib
_JAPANESE = (
    "Noto Sans CJK JP", "Noto Sans JP", "Hiragino Sans", "BIZ UDPGothic", "Yu Gothic", "Meiryo", "IPAexGothic",
    "IPAPGothic", "TakaoPGothic", "VL PGothic", "MS Gothic",
)  # fmt: skip
#: From here on characters are not in the Latin font: radicals, kana, kanji, full-width forms.
_FIRST_CJK = "\u2e80"


@cache
def find_japanese() -> str | None:
    """Return the name of a font with Japanese characters; None if no such font is installed."""
    known = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in _JAPANESE if name in known), None)


def families(language: Language) -> list[str]:
    """Return the fonts of a language, in the order in which matplotlib searches them for a character."""
    japanese = find_japanese()
    if japanese is None:
        return [_LATIN]
    return [japanese, _LATIN] if language == "ja" else [_LATIN, japanese]


class Speaker:
    """Chooses the language of each text."""

    def __init__(self, language: Language) -> None:
        """Use a language; English if no font has Japanese characters."""
        self.language: Language = language if find_japanese() else "en"

    def say(self, text: Text) -> str:
        """Return a text, without the characters that no font has."""
        chosen = text[1 if self.language == "ja" else 0]
        if find_japanese():
            return chosen
        return " ".join("".join(letter for letter in chosen if letter < _FIRST_CJK).split())
