"""What the READMEs quote of the proving ground is what its page says, in both languages."""

import re

import pytest

from tests.fixtures.repo.repository import load_text

PAGE = "docs/operations/promises.md"
READMES = ("README.md", "README.ja.md")
QUOTE = re.compile(r"<!-- promises:begin -->\n(.*?)<!-- promises:end -->", re.DOTALL)


def quote(readme: str) -> str:
    """Return what a README quotes."""
    found = QUOTE.search(load_text(readme))
    assert found, f"{readme} quotes nothing"
    return found[1]


def numbers(text: str) -> list[str]:
    """Return the numbers of a text, in order, dates and commits as their parts."""
    return re.findall(r"[0-9a-f]{7,}|\d+(?:[.,]\d+)*", re.sub(r"\]\([^)]*\)", "]", text))


@pytest.mark.parametrize("readme", READMES)
def test_every_number_quoted_stands_on_the_page(readme: str) -> None:
    known = set(numbers(load_text(PAGE)))
    quoted = numbers(quote(readme))
    assert len(quoted) >= 8
    assert [number for number in quoted if number not in known] == []


def test_both_languages_quote_the_same() -> None:
    english, japanese = (sorted(numbers(quote(readme))) for readme in READMES)
    assert english == japanese


def test_the_page_is_of_the_whole_set() -> None:
    page = load_text(PAGE)
    assert re.search(r"\| storm \| 1,\d\d\d jobs under 50 worker SIGKILLs and 10 Redis SIGKILLs \|", page)
    assert re.search(r"\| simulation \|.* seeds 10,000, .*breaches 0,", page)
    assert "| 25 |" in page
