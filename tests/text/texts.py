"""Every Japanese text of the catalogue and of alerts, by where it stands."""

import re
import string
from collections.abc import Iterator
from functools import cache

import yaml

from kaboom.text.catalogue import load_japanese
from tests.fixtures.repo.repository import load_text
from tests.text.extraction import of_python, of_tables

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
#: Spaces between kana or kanji and Latin letters or digits.
TYPED_SPACE = re.compile(
    r"[\u3041-\u30ff\u4e00-\u9fff][ \u3000]+[A-Za-z0-9]|[A-Za-z0-9][ \u3000]+[\u3041-\u30ff\u4e00-\u9fff]"
)


def catalogue() -> Iterator[tuple[str, str, str]]:
    """Yield the context, the English and the Japanese of each text of the catalogue."""
    for context, texts in load_japanese().items():
        yield from ((context, english, japanese) for english, japanese in texts.items())


@cache
def japanese_texts() -> list[tuple[str, str]]:
    """Return the place and the text of everything that is Japanese, but for pages and help."""
    texts = (*of_python(), *(found for found in of_tables() if found[0] != "LABELS"))
    shown = {(text.context, text.english) for _, text in texts}
    alerts = [
        rule
        for group in yaml.safe_load(load_text("infra/alerts/kaboom.rules.yaml"))["groups"]
        for rule in group["rules"]
    ]
    return [
        *(
            (f"{context} {english!r}", japanese)
            for context, english, japanese in catalogue()
            if context == "error" or (context, english) in shown
        ),
        *(
            (f"alert {rule['alert']} {name}", rule["annotations"][name])
            for rule in alerts
            for name in ("summary_ja", "description_ja")
        ),
    ]


def fields(text: str) -> set[str]:
    """Return the names of the fields of a template."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
