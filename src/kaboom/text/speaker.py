"""Says a message in one language."""

from typing import TYPE_CHECKING

from kaboom.text.accounts import ACCOUNT_WORDS
from kaboom.text.backtests import BACKTEST_WORDS
from kaboom.text.bars import BAR_WORDS
from kaboom.text.folders import FOLDER_WORDS
from kaboom.text.jobs import JOB_WORDS
from kaboom.text.language import Language, Pair, choose_form
from kaboom.text.notify import NOTIFY_WORDS
from kaboom.text.portfolios import PORTFOLIO_WORDS
from kaboom.text.stack import STACK_WORDS
from kaboom.text.tables import CODES, HEADERS

if TYPE_CHECKING:
    from kaboom.providers.spec import Terms

#: Messages by name: (English, Japanese), both with the same fields.
WORDS: dict[str, Pair] = {
    **STACK_WORDS,
    **FOLDER_WORDS,
    **JOB_WORDS,
    **BAR_WORDS,
    **BACKTEST_WORDS,
    **ACCOUNT_WORDS,
    **PORTFOLIO_WORDS,
    **NOTIFY_WORDS,
}


class Speaker:
    """Says messages in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language

    @property
    def is_japanese(self) -> bool:
        """Whether the language is Japanese."""
        return self.language == "ja"

    def say(self, name: str, /, **values: object) -> str:
        """Return a message with its fields filled."""
        return self._pick(WORDS[name]).format(**values)

    def count(self, name: str, n: int, **values: object) -> str:
        """Return a message that counts, in its form for the number: `1 symbol`, `1,651 symbols`."""
        return choose_form(self._pick(WORDS[name]), n).format(n=n, **values)

    def header(self, name: str) -> str:
        """Return the header of a table's column."""
        return self._pick(HEADERS[name])

    def code(self, kind: str, code: str) -> str:
        """Return the meaning of a code of the API; a code that this release does not know is returned as it is."""
        return self._pick(CODES[kind].get(code, (code, code)))

    def coded(self, kind: str, code: str) -> str:
        """Return a code of the API as it is in English, in Japanese after its meaning: `一部失敗 partial`."""
        meaning = self.code(kind, code)
        return f"{meaning} {code}" if self.is_japanese and meaning != code else code

    def detail(self, text: str) -> str:
        """Return the text of an error or a finding, translated where the catalogue has it."""
        if not self.is_japanese:
            return text
        from kaboom.text.translate import translate  # noqa: PLC0415  with what names the providers

        return translate(text, self.language)

    def terms(self, terms: "Terms") -> str:
        """Return the terms of use of a provider's data."""
        return self._pick((terms.en, terms.ja)).format(url=terms.url)

    def _pick(self, texts: Pair) -> str:
        return texts[1] if self.is_japanese else texts[0]
