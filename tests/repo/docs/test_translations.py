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

#: A Japanese page that translates no single English one.
DIGEST = ROOT / "docs/operations/README.ja.md"
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


@pytest.mark.parametrize(
    "japanese", [p for p in TRANSLATIONS if p.suffix == ".md"], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_both_languages_of_a_page_link_to_each_other(japanese: Path) -> None:
    english = english_of(japanese)
    assert f"[English]({english.name})" in "".join(japanese.read_text(encoding="utf-8").splitlines()[:3])
    assert f"[日本語]({japanese.name})" in "".join(english.read_text(encoding="utf-8").splitlines()[:3])


def test_the_index_lists_each_translation() -> None:
    index = ROOT / "docs/README.md"
    listed = {
        (index.parent / found).resolve()
        for found in re.findall(r"\]\(([^)#]+\.ja\.\w+)\)", index.read_text(encoding="utf-8"))
    }
    assert listed == {*TRANSLATIONS, DIGEST}


@pytest.mark.parametrize("page", [*TRANSLATIONS, DIGEST], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_japanese_page_links_to_the_japanese_of_a_page(page: Path) -> None:
    others = {english_of(each): each for each in TRANSLATIONS if each != page}
    links = re.findall(r"\]\(([^)#:\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if (page.parent / link).resolve() in others] == []
