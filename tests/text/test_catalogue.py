"""The catalogue has every text of the code in Japanese, with the same fields, and nothing else."""

import ast

import pytest

from kaboom.analysis.vocabulary import Verdict
from kaboom.backtest.strategies.parameters import PARAMETERS
from kaboom.bars.coverage.cells import CellState
from kaboom.bars.quality.hard_rules import REASONS
from kaboom.catalog import CATALOG
from kaboom.dashboard.labels import LABELS, label
from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.events import EventKind
from kaboom.market.action import ActionKind, ActionState
from kaboom.market.bar import BarFlag
from kaboom.market.outcome import Outcome
from kaboom.providers.registry import provider_specs
from kaboom.schedules.model import FiringOutcome, MissedPolicy
from kaboom.text.catalogue import Language, load_japanese, ngettext, parse_catalogue
from kaboom.text.speaker import Speaker
from kaboom.text.tables import CODES, HEADERS, TITLES, say_title
from kaboom.web.auth.scopes import Scope
from tests.fixtures.repo.repository import load_modules
from tests.text.extraction import extract, kinds_of_templates, of_tables, of_templates
from tests.text.texts import JAPANESE, TYPED_SPACE, catalogue, fields
from tests.text.update import PATH, PLACE, render, wanted

#: Names and formulas, which need no Japanese letter.
SAME = {
    # Indicators, which Japanese charts name so, too.
    "%D", "+DI", "ADX", "ADX {p}", "ATR", "ATR {p}", "CCI", "CCI {p}", "CSV", "EMA {p}", "MACD", "MACD {p}", "MFI",
    "MFI {p}", "OBV", "ROC {p} (%)", "RSI", "RSI {p}", "VWAP", "WMA {p}", "−DI",
    "5m, 15m, 1h and 1d", "At {at}: {why}", "At {at}: {why}.", "INGEST_API_TOKEN", "Kaboom", "Supabase", "TOPIX", "URL",
    "Webhooks", "cron", "cron {cron}", "id", "of {budget}", "webhook", "w{worker}", "w{worker}·{slot}", "BPS", "EPS",
    "{least} to {most}", "{name} on {scope}", "{name} {least:g} to {most:g}",
    "{first} to {last}", "{strategy} {parameters} · {symbols} · {first} to {last}, {sessions}",
}  # fmt: skip


def strings_but_of(left_out: str) -> set[str]:
    """Return every string constant in the code, without those of one file."""
    nodes = (node for module in load_modules("src/kaboom") if module.name != left_out for node in ast.walk(module.tree))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_the_catalogue_is_complete() -> None:
    said, known = extract(), load_japanese()
    missing = {f"{place}: {t.english}" for t, place in said.items() if not known.get(t.context, {}).get(t.english)}
    assert missing == set(), f"run `make texts`, and write the Japanese of each in {PLACE}"
    # No text that nothing says, none that a tool has marked as fuzzy, and no other order.
    assert PATH.read_text() == render(wanted(), known), "run `make texts`"


def test_both_languages_have_the_same_fields() -> None:
    several = {(text.context, text.english): text.several for text in extract() if text.several}
    wrong = {
        (context, english)
        for context, english, japanese in catalogue()
        if fields(several.get((context, english), english)) != fields(japanese)
    }
    # Japanese has no need of the name of a Python class.
    assert wrong == {("error", "Input should be a valid dictionary or instance of {name}")}


def test_japanese_is_japanese_and_english_is_english() -> None:
    wrong = {e for _, e, j in catalogue() if not JAPANESE.search(j) and any(map(str.isalpha, _plain(e)))}
    assert wrong == SAME, f"write these in Japanese in {PLACE}, or take them out of SAME: {sorted(wrong ^ SAME)}"
    assert {english for _, english, _ in catalogue() if JAPANESE.search(english.replace("トヨタ", "Toyota"))} == set()


def test_japanese_of_pages_has_no_typed_space() -> None:
    """The browser sets the space between kana or kanji and Latin letters or digits: `text-autospace` of the CSS."""
    known = load_japanese()
    texts = {known[text.context][text.english] for _, text in (*of_templates(), *of_tables())}
    assert [text for text in texts if TYPED_SPACE.search(text)] == []


def _plain(english: str) -> str:
    for name in fields(english):
        english = english.replace(f"{{{name}", "{")
    return english


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ('msgid ""\nmsgstr "head"\n\nmsgid "a"\nmsgstr "b"\n', {"": {"a": "b"}}),
        (
            '#: a.py\nmsgctxt "c"\nmsgid ""\n"one "\n"two"\nmsgstr "\\"x\\"\\n"\n"\\\\y"\n',
            {"c": {"one two": '"x"\n\\y'}},
        ),
        ('msgid "{n} job"\nmsgid_plural "{n} jobs"\nmsgstr[0] "{n}件"\n', {"": {"{n} job": "{n}件"}}),
        ('#~ msgid "old"\n#~ msgstr "x"\n', {}),
    ],
)
def test_what_tools_write_is_read(content: str, texts: dict[str, dict[str, str]]) -> None:
    assert parse_catalogue(content) == texts


def test_a_text_has_a_form_for_one() -> None:
    forms = ("{n} job", "{n} jobs")
    assert [ngettext(*forms, n, "en") for n in (0, 1, 2, None)] == ["{n} jobs", "{n} job", "{n} jobs", "{n} jobs"]
    assert {ngettext("{n:,} symbol", "{n:,} symbols", n, "ja") for n in (0, 1, 2)} == {"{n:,}銘柄"}


def test_every_kind_of_label_is_known_and_used() -> None:
    kinds = {kind: place for place, kind in kinds_of_templates()}
    assert kinds.keys() <= LABELS.keys() | CODES.keys()
    assert LABELS.keys() & CODES.keys() == set()
    python = strings_but_of("src/kaboom/dashboard/labels.py")
    # The map of the bars passes two kinds to a macro.
    assert set(LABELS) - kinds.keys() - python == {"map_group", "map_market"}


@pytest.mark.parametrize("kind", ["map_word", "job"])
def test_a_code_without_a_label_is_its_own(kind: str) -> None:
    """A newer worker may say one that this server does not know."""
    assert [label(kind, "unheard", "en"), label(kind, "unheard", "ja")] == ["unheard", "unheard"]


def test_every_header_is_used() -> None:
    used = strings_but_of("src/kaboom/text/tables.py")
    assert set(HEADERS) - used <= {state.value for state in CellState}


@pytest.mark.parametrize(
    ("labels", "codes"),
    [
        (CODES["job"], JobStatus),
        (CODES["outcome"], Outcome),
        (CODES["cell"], CellState),
        (CODES["action"], ActionState),
        (CODES["kind"], ActionKind),
        (CODES["firing"], FiringOutcome),
        (CODES["missed"], MissedPolicy),
        (CODES["refusal"], set(REASONS) - {""}),
        (CODES["strategy"], PARAMETERS),
        (CODES["unit"], {job_type.unit for job_type in CATALOG}),
        (TITLES["event"], EventKind),
        (TITLES["analysis_verdict"], Verdict),
        (CODES["task"], [job_type.name for job_type in CATALOG]),
        (LABELS["scope"], Scope),
        (LABELS["cell_state"], CellState),
        (LABELS["cell_about"], CellState),
    ],
)
def test_every_code_of_the_api_has_a_label(labels: dict[str, str], codes: list[str]) -> None:
    missing = {str(code) for code in codes} - labels.keys()
    assert missing == set(), "add them to src/kaboom/text/tables.py, or src/kaboom/dashboard/labels.py"


def test_every_count_of_a_job_has_a_meaning() -> None:
    flags = {f"flag_{str(flag.name).lower()}" for flag in BarFlag}
    actions = {f"actions_{state}" for state in ActionState}
    assert {"behind", "quarantined", "refused_by_store", "corrected"} | flags | actions == set(CODES["count"])
    assert {name: kind.title for name, kind in PARAMETERS.items()} == CODES["strategy"]


def test_a_code_stands_beside_its_japanese_meaning() -> None:
    assert Speaker("ja").coded("job", "partial") == "一部失敗 partial"
    assert Speaker("en").coded("job", "partial") == "partial"
    assert Speaker("ja").coded("job", "of a later release") == "of a later release"


def test_every_provider_with_terms_has_its_words() -> None:
    for terms in [spec.terms for spec in provider_specs() if spec.terms]:
        said = {Speaker("en").terms(terms), Speaker("ja").terms(terms)}
        assert len(said) == 2
        assert all(terms.url in text for text in said)


def test_no_two_problems_have_the_same_title() -> None:
    languages: tuple[Language, ...] = ("en", "ja")
    for language in languages:
        assert len({say_title("problem", code, language) for code in TITLES["problem"]}) == len(TITLES["problem"])
