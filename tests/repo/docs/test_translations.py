"""Each Japanese page has the hash of the English text that it translates, so that what is out of date is known.

`KABOOM_RECORD=1 pytest tests/repo/docs/test_translations.py -k tour.ja.md` writes the hash of a page: bring its
Japanese up to date first. Without `-k` it writes all of them.
"""

import hashlib
import os
import re
from pathlib import Path

import pytest

from tests.fixtures.repo.repository import ROOT, find_files

_MARK = re.compile(r"<!-- translation of \S+, sha256 [0-9a-f]{12} -->")


def english_of(japanese: Path) -> Path:
    return japanese.with_name(japanese.name.replace(".ja.", "."))


#: Japanese pages and notebooks that have an English one beside them.
TRANSLATIONS = sorted(
    path for path in find_files() if path.name.endswith((".ja.md", ".ja.ipynb")) and english_of(path).exists()
)


def read_mark(english: Path) -> str:
    """Return the line of a translation of today's English text; where its lines are broken does not count."""
    words = " ".join(english.read_text(encoding="utf-8").split())
    return f"<!-- translation of {english.name}, sha256 {hashlib.sha256(words.encode()).hexdigest()[:12]} -->"


def record(japanese: Path, mark: str) -> None:
    """Put today's mark in the place of the old one, or at the end of a page that has none."""
    text = japanese.read_text(encoding="utf-8")
    found = _MARK.search(text)
    japanese.write_text(text.replace(found[0], mark) if found else f"{text.rstrip()}\n\n{mark}\n", encoding="utf-8")


@pytest.mark.parametrize("japanese", TRANSLATIONS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_translation_is_of_the_english_text_of_today(japanese: Path) -> None:
    mark = read_mark(english_of(japanese))
    if os.environ.get("KABOOM_RECORD"):
        record(japanese, mark)
    name = japanese.relative_to(ROOT).as_posix()
    assert _MARK.findall(japanese.read_text(encoding="utf-8")) == [mark], (
        f"the English of {name} has changed: bring the Japanese up to date, and run "
        f"KABOOM_RECORD=1 pytest tests/repo/docs/test_translations.py -k {name}"
    )
