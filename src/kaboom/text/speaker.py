"""Says a text in one language."""

from typing import TYPE_CHECKING

from kaboom.text.catalogue import Language, gettext, ngettext
from kaboom.text.tables import CODES, HEADERS
from kaboom.text.translate import ERROR, translate

if TYPE_CHECKING:
    from kaboom.providers.spec import Terms


class Speaker:
    """Says texts in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language

    @property
    def is_japanese(self) -> bool:
        """Whether the language is Japanese."""
        return self.language == "ja"

    def say(self, text: str, /, **values: object) -> str:
        """Return a text with its fields filled."""
        return gettext(text, self.language).format(**values)

    def count(self, one: str, several: str, n: int, /, **values: object) -> str:
        """Return the form of a text for a number, which fills its field `n`: `1 symbol`, `1,651 symbols`."""
        return ngettext(one, several, n, self.language).format(n=n, **values)

    def header(self, name: str) -> str:
        """Return the header of a table's column."""
        return gettext(HEADERS[name], self.language, f"column {name}")

    def code(self, kind: str, code: str) -> str:
        """Return the meaning of a code of the API; a code that this release does not know is returned as it is."""
        return gettext(CODES[kind].get(code, code), self.language, f"{kind} {code}")

    def coded(self, kind: str, code: str) -> str:
        """Return a code of the API as it is in English, in Japanese after its meaning: `一部失敗 partial`."""
        meaning = self.code(kind, code)
        return f"{meaning} {code}" if self.is_japanese and meaning != code else code

    def detail(self, text: str) -> str:
        """Return the text of an error or a finding, translated where the catalogue has it."""
        return translate(text, self.language)

    def terms(self, terms: "Terms") -> str:
        """Return the terms of use of a provider's data."""
        return gettext(terms.text, self.language, ERROR).format(url=terms.url)
