"""The names of companies in the language of a page, as far as the symbol list has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kaboom.text.language import Language


@dataclass(frozen=True, slots=True)
class CompanyName:
    """A name, and the language that it is in, which a screen reader needs."""

    text: str
    language: Language


def name_of(listing: Mapping[str, Any], language: Language) -> CompanyName:
    """Return the name in a listing of the API: the English one for an English page, if the list has it."""
    if language == "en" and (english := listing["name_en"]):
        return CompanyName(english, "en")
    return CompanyName(listing["name"], "ja")
