"""Every Japanese text of the catalogue and of alerts, by where it stands."""

import json
import re
import string
from collections.abc import Iterator
from functools import cache

import yaml

from kaboom.text.catalogue import load_japanese
from tests.fixtures.repo.command_blocks import read_prose
from tests.fixtures.repo.repository import ROOT, find_files, load_text
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


@cache
def japanese_pages() -> list[tuple[str, str]]:
    """Return the path and the prose of each Japanese page and notebook: no blocks, no code, no targets of links."""
    pages = []
    for path in sorted(find_files()):
        text = path.read_text(encoding="utf-8") if path.name.endswith((".ja.md", ".ja.ipynb")) else ""
        if path.suffix == ".ipynb" and text:
            cells = json.loads(text)["cells"]
            text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        if text:
            prose = re.sub(r"<!--.*?-->|(?<=\])\([^)]*\)", "", read_prose(text), flags=re.DOTALL)
            pages.append((path.relative_to(ROOT).as_posix(), re.sub(r"`[^`]*`", "`", prose)))
    return pages


def fields(text: str) -> set[str]:
    """Return the names of the fields of a template."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
