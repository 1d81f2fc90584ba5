"""Every message is there in both languages, with the same fields, and the code uses it."""

import ast

import pytest

from kaboom.backtest.strategies.parameters import PARAMETERS
from kaboom.bars.coverage.cells import CellState
from kaboom.bars.quality.hard_rules import REASONS
from kaboom.jobs.model import JobStatus
from kaboom.market.action import ActionKind, ActionState
from kaboom.market.bar import BarFlag
from kaboom.market.outcome import Outcome
from kaboom.providers.registry import provider_specs
from kaboom.schedules.model import FiringOutcome, MissedPolicy
from kaboom.text.problems import TITLES
from kaboom.text.speaker import WORDS, Speaker
from kaboom.text.tables import CODES, HEADERS
from tests.fixtures.repo.repository import load_modules
from tests.text.texts import JAPANESE, catalogue, fields

TEXTS = list(catalogue())
#: Punctuation, names and formulas are the same in both languages.
SAME = {
    "word join", "word at_cron", "word indicator_bounds", "word job_error", "word progress_done", "header webhook",
    "header id",    "word backtest_head",
    "code login ingest_token", "code login supabase", "detail '#/{pointer}: {why}'", "detail '#: {why}'",
}  # fmt: skip


def strings_of(folder: str) -> set[str]:
    """Return every string constant in the code of a folder."""
    nodes = (node for module in load_modules(folder) for node in ast.walk(module.tree))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


#: Methods that say a message, and which of their arguments is its name.
_SAYING = {"say": 0, "print_if_json_or_empty": 1, "print_state": 2, "save_file": 2}


def said() -> dict[str, set[str | None]]:
    """Names that `say("…", …)` is called with, and the fields that are filled; None where a mapping fills them."""
    found: dict[str, set[str | None]] = {}
    for module in load_modules("src/kaboom/cli"):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func).rpartition(".")[2]) in _SAYING:
                first = node.args[_SAYING[name]]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    given = {keyword.arg for keyword in node.keywords} | ({"path"} if name == "save_file" else set())
                    found.setdefault(first.value, set()).update(given)
    return found


def test_both_languages_have_the_same_fields() -> None:
    wrong = {place for place, english, japanese in TEXTS if fields(english) != fields(japanese)}
    # Japanese has no need of the name of a Python class.
    assert wrong == {"detail 'Input should be a valid dictionary or instance of {name}'"}


def test_japanese_texts_are_japanese() -> None:
    # A value that is a message of its own makes the whole text.
    wrong = [place for place, _, japanese in TEXTS if not JAPANESE.search(japanese) and japanese != "{why}"]
    assert set(wrong) == SAME


def test_english_texts_are_english() -> None:
    assert [place for place, english, _ in TEXTS if JAPANESE.search(english)] == []


def test_every_used_message_exists_with_its_fields() -> None:
    wrong = {name: given for name, given in said().items() if None not in given and fields(WORDS[name][0]) - given}
    assert wrong == {}


def test_every_message_and_header_is_used() -> None:
    used = strings_of("src/kaboom")
    assert set(WORDS) - used == set()
    assert set(HEADERS) - used <= {state.value for state in CellState}


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        ("job", JobStatus),
        ("outcome", Outcome),
        ("cell", CellState),
        ("action", ActionState),
        ("kind", ActionKind),
        ("firing", FiringOutcome),
        ("missed", MissedPolicy),
    ],
)
def test_every_code_of_the_api_has_a_meaning(kind: str, codes: type[JobStatus]) -> None:
    assert {code.value for code in codes} <= set(CODES[kind])


def test_every_count_of_an_ingest_and_every_strategy_has_a_meaning() -> None:
    flags = {f"flag_{str(flag.name).lower()}" for flag in BarFlag}
    actions = {f"actions_{state}" for state in ActionState}
    assert {"quarantined", "refused_by_store", "corrected"} | flags | actions == set(CODES["count"])
    assert set(CODES["strategy"]) == set(PARAMETERS)
    assert {name: kind.title for name, kind in PARAMETERS.items()} == {
        name: english for name, (english, _) in CODES["strategy"].items()
    }


def test_every_reason_of_a_rejection_has_a_meaning() -> None:
    assert set(REASONS) - {""} == set(CODES["refusal"])


def test_a_code_stands_beside_its_japanese_meaning() -> None:
    assert Speaker("ja").coded("job", "partial") == "一部失敗 partial"
    assert Speaker("en").coded("job", "partial") == "partial"
    assert Speaker("ja").coded("job", "of a later release") == "of a later release"


def test_every_provider_with_terms_has_its_words() -> None:
    for terms in [spec.terms for spec in provider_specs() if spec.terms]:
        assert terms.en != terms.ja
        for language in ("en", "ja"):
            assert terms.url in Speaker(language).terms(terms)


def test_no_two_titles_are_the_same() -> None:
    for language in (0, 1):
        assert len({pair[language] for pair in TITLES.values()}) == len(TITLES)
