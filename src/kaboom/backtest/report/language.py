"""The language that a report opens in; the file has both languages."""

from typing import Literal

_ENGLISH = b'<input class="lang" type="radio" name="lang" id="en" checked aria-label="English">'
_JAPANESE = '<input class="lang" type="radio" name="lang" id="ja" aria-label="日本語">'.encode()


def open_in(page: bytes, language: Literal["en", "ja"]) -> bytes:
    """Return the HTML of a report so that it opens in a language; the stored file opens in English."""
    if language == "en":
        return page
    chosen = _JAPANESE.replace(b' id="ja"', b' id="ja" checked')
    page = page.replace(_ENGLISH, _ENGLISH.replace(b" checked", b""), 1).replace(_JAPANESE, chosen, 1)
    return page.replace(b'<html lang="en">', b'<html lang="ja">', 1)
