"""The words of pages: complete in both languages, and every key that a template uses exists."""

import re
import string
from pathlib import Path

import pytest

from kaboom.catalog import CATALOG
from kaboom.dashboard.catalogue import load_words
from kaboom.text.language import Pair, choose_form

DASHBOARD = Path(__file__).resolve().parents[2] / "src/kaboom/dashboard"
CATALOGUES = sorted(path.stem for path in (DASHBOARD / "words").glob("*.py") if path.stem != "__init__")
#: `t("shell.skip")`, also with values, and `t("shell.nav_" ~ key)`, which is a prefix.
_USED = re.compile(r"""\b(?:t|th|page_words)\(\s*["']([a-z_]+\.[a-z0-9_]*)["'](\s*~)?""")
TEXTS = [(name, key, pair) for name in CATALOGUES for key, pair in load_words(name).items()]
_JAPANESE = re.compile(r"[\u3041-\u30ff\u4e00-\u9fff]")


def used_keys() -> dict[str, tuple[str, bool]]:
    """Return where each key is used, and whether it is a prefix."""
    files = [*(DASHBOARD / "templates").rglob("*.html"), *DASHBOARD.rglob("*.py")]
    return {found[1]: (path.name, found[2] is not None) for path in files for found in _USED.finditer(path.read_text())}


def fields(text: str) -> set[str]:
    return {name for form in text.split(" || ") for _, name, _, _ in string.Formatter().parse(form) if name}


def test_every_key_of_a_template_exists() -> None:
    missing = [
        (where, key)
        for key, (where, is_prefix) in used_keys().items()
        if not any(
            name.startswith(key.partition(".")[2]) if is_prefix else name == key.partition(".")[2]
            for name in load_words(key.partition(".")[0])
        )
    ]
    assert len(used_keys()) > 20
    assert missing == []


def test_every_kind_of_job_has_its_name() -> None:
    missing = {job_type.name.replace(".", "_") for job_type in CATALOG} - load_words("tasks").keys()
    assert missing == set(), "name each in src/kaboom/dashboard/words/tasks.py"


def is_complete(key: str, pair: Pair) -> bool:
    """Return whether both languages say something, with the same fields, and the English is English."""
    english, japanese = pair
    has_own_letters = key == "switch" or not _JAPANESE.search(english)
    return bool(english.strip() and japanese.strip()) and fields(english) == fields(japanese) and has_own_letters


def test_each_text_is_complete_in_both_languages() -> None:
    assert len(TEXTS) > 1000
    assert [f"{name}.{key}: {pair}" for name, key, pair in TEXTS if not is_complete(key, pair)] == []


@pytest.mark.parametrize("pair", [("", "件"), ("jobs", " "), ("{n} jobs", "{m}件"), ("件", "件")])
def test_an_incomplete_text_is_found(pair: Pair) -> None:
    assert not is_complete("n", pair)


def test_no_space_is_typed_between_japanese_and_latin() -> None:
    spaced = [
        f"{name}.{key}: {pair[1]}"
        for name, key, pair in TEXTS
        if re.search(
            r"[\u3041-\u30ff\u4e00-\u9fff] [0-9A-Za-z{]|[0-9A-Za-z}] [\u3041-\u30ff\u4e00-\u9fff]", _plain(pair[1])
        )
    ]
    assert spaced == []


def _plain(text: str) -> str:
    """Drop commands and ids, before and after which a space belongs."""
    return re.sub(r" ?(<code>.*?</code>|\{request_id\}) ?", "", text)


def test_a_text_has_a_form_for_one() -> None:
    assert [choose_form("{n} job || {n} jobs", n) for n in (0, 1, 2, None)] == [
        "{n} jobs", "{n} job", "{n} jobs", "{n} jobs",
    ]  # fmt: skip
    assert choose_form("{n}件", 1) == "{n}件"
