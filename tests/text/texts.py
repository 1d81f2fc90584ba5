"""Every Japanese text of the project's catalogue and alerts, by where it stands."""

import re
import string
from collections.abc import Iterator

import yaml

from kaboom.providers.registry import provider_specs
from kaboom.text.problems import TITLES
from kaboom.text.speaker import WORDS
from kaboom.text.tables import CODES, HEADERS
from kaboom.text.translate import DETAILS
from tests.fixtures.repo.repository import load_text

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def catalogue() -> Iterator[tuple[str, str, str]]:
    """Yield the place, the English and the Japanese of each text of `kaboom.text`."""
    for name, table in (("word", WORDS), ("header", HEADERS), ("title", TITLES)):
        yield from ((f"{name} {key}", *pair) for key, pair in table.items())
    yield from ((f"terms {spec.name}", spec.terms.en, spec.terms.ja) for spec in provider_specs() if spec.terms)
    for kind, codes in CODES.items():
        yield from ((f"code {kind} {code}", *pair) for code, pair in codes.items())
    yield from ((f"detail {english!r}", english, japanese) for english, japanese in DETAILS)


def japanese_texts() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of everything that is Japanese."""
    yield from ((place, japanese) for place, _, japanese in catalogue())
    for group in yaml.safe_load(load_text("infra/alerts/kaboom.rules.yaml"))["groups"]:
        for rule in group["rules"]:
            for name in ("summary_ja", "description_ja"):
                yield f"alert {rule['alert']} {name}", rule["annotations"][name]


def fields(text: str) -> set[str]:
    """Return the names of the fields of a template."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
