"""The texts of pages: one catalogue per page, each text in English and Japanese."""

from functools import cache
from importlib import import_module

from kaboom.text.language import Language, Pair


@cache
def load_words(catalogue: str) -> dict[str, Pair]:
    """Return the texts of a catalogue, such as `jobs`; they are loaded when a page first needs them."""
    words: dict[str, Pair] = import_module(f"kaboom.dashboard.words.{catalogue}").WORDS
    return words


def find_text(language: Language, key: str) -> str:
    """Return the text of a key such as `jobs.title`, with its fields not yet filled.

    Raises:
        KeyError: no text has this key.

    """
    catalogue, _, name = key.partition(".")
    return load_words(catalogue)[name][1 if language == "ja" else 0]
