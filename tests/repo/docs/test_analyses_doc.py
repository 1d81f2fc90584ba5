"""The page on analyses lists the kinds, verdicts and behaviours that there are."""

import re

from kaboom.analysis.fake_openrouter import BEHAVIOURS
from kaboom.analysis.vocabulary import VERDICTS
from tests.fixtures.repo.repository import load_text

PAGE = load_text("docs/reference/analyses.md")


def test_the_page_lists_every_behaviour_of_the_fake() -> None:
    table = PAGE.partition("## Fake OpenRouter")[2]
    assert dict(re.findall(r"^\| `([a-z-]+)` \| (.+?) \|$", table, re.MULTILINE)) == dict(BEHAVIOURS)


def test_the_page_lists_every_kind_with_its_verdicts() -> None:
    table = PAGE.partition("## Kinds")[2].partition("##")[0]
    rows = dict(re.findall(r"^\| `([a-z]+)` \|[^|]*\| (.+?) \|$", table, re.MULTILINE))
    assert {kind: tuple(re.findall("`([a-z]+)`", cell)) for kind, cell in rows.items()} == {
        kind.value: tuple(verdict.value for verdict in verdicts) for kind, verdicts in VERDICTS.items()
    }
