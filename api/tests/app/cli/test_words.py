"""Every message is there in both languages, with the same fields, and is said somewhere."""

import ast
import string

import pytest

from app.cli.words import OUTCOME_WORDS, WORDS, Speaker, choose_language
from batch.market.outcome import Outcome
from batch.providers.registry import provider_specs
from tests.fixtures.repo.repository import load_modules


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def said() -> dict[str, set[str | None]]:
    """Names that `say("…", …)` is called with, and the fields that are filled; None where a mapping fills them."""
    found: dict[str, set[str | None]] = {}
    for module in load_modules("api/app/cli"):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "say":
                for name in _names(node.args[0]):
                    found.setdefault(name, set()).update(keyword.arg for keyword in node.keywords)
    return found


def _names(argument: ast.expr) -> list[str]:
    return [argument.value] if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else []


@pytest.mark.parametrize("name", WORDS)
def test_both_languages_say_the_same_fields(name: str) -> None:
    english, japanese = WORDS[name]
    assert fields(english) == fields(japanese)
    assert english != japanese


@pytest.mark.parametrize("name", WORDS)
def test_japanese_is_japanese(name: str) -> None:
    assert any("\u3040" <= letter <= "\u9fff" for letter in WORDS[name][1])


def test_what_is_said_exists_and_gets_its_fields() -> None:
    wrong = {name: given for name, given in said().items() if None not in given and fields(WORDS[name][0]) - given}
    assert wrong == {}


def test_what_exists_is_said() -> None:
    # Two are chosen by the provider, two by what a job's items are, and two are passed on by name.
    by_variable = {"made_up", "source", "symbols", "files", "cancelled", "submitted"}
    assert set(WORDS) - set(said()) <= by_variable


def test_every_outcome_has_its_words() -> None:
    assert set(OUTCOME_WORDS) == {outcome.value for outcome in Outcome}
    assert Speaker("ja").outcome("ok") == "足を保存"


def test_every_provider_under_terms_has_its_words() -> None:
    for terms in [spec.terms for spec in provider_specs() if spec.terms]:
        assert terms.en != terms.ja
        for language in ("en", "ja"):
            assert terms.url in Speaker(language).terms(terms)


@pytest.mark.parametrize(
    ("asked", "environment", "language"),
    [
        ("ja", {}, "ja"),
        ("en", {"KABOOM_LANG": "ja"}, "en"),
        (None, {"KABOOM_LANG": "ja", "LANG": "en_US.UTF-8"}, "ja"),
        (None, {"LC_ALL": "ja_JP.UTF-8", "LANG": "en_US.UTF-8"}, "ja"),
        (None, {"LANG": "ja_JP.UTF-8"}, "ja"),
        (None, {"LANG": "C.UTF-8"}, "en"),
        (None, {"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_language_is_that_asked_for_or_the_environments(
    asked: str | None, environment: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KABOOM_LANG", "LC_ALL", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert choose_language(asked) == language
