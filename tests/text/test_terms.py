"""Japanese texts use the words of docs/reference/terms.md, and the punctuation that it asks for."""

import re
from functools import cache

import pytest

from tests.fixtures.repo.repository import load_text
from tests.text.texts import japanese_pages, japanese_texts

_KATAKANA = re.compile(r"[\u30a0-\u30ff]+")
_LETTER = r"[\u3040-\u30ff\u4e00-\u9fff]"
#: Names that are never a command, an option or an id, so that no space belongs beside them.
_NAMES = "Kaboom|Redis|PostgreSQL|InfluxDB|JSON|URL|ID|CSV|JPX|ASCII|CPU|JST|Celery|Yahoo|J-Quants"
_HALF_WIDTH = re.compile(rf"{_LETTER}[(:?]|[)]{_LETTER}|[(:?]{_LETTER}")
_SPACED = re.compile(rf"{_LETTER} (?:{_NAMES})(?![\w={{ -])|(?<![\w`./=-])(?:{_NAMES}) {_LETTER}")


@cache
def terms() -> tuple[set[str], set[str]]:
    """Return the words of the second column of the table, and the forbidden ones of the third."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.*?) ?\|$", load_text("docs/reference/terms.md"), re.MULTILINE)[1:]
    wanted = {word for _, words, _ in rows for word in re.split(r"、|（.*?）", words) if word}
    forbidden = {word for *_, words in rows for word in words.split("、") if word and not word.startswith("（")}
    return wanted, forbidden


def find_forbidden(text: str) -> list[str]:
    """Return the forbidden words of a text: a word in katakana is one only where it is not part of another."""
    wanted, forbidden = terms()
    katakana = set(_KATAKANA.findall(text))
    for word in sorted(wanted, key=len, reverse=True):
        text = text.replace(word, " ")
    return [word for word in sorted(forbidden) if (word in katakana if _KATAKANA.fullmatch(word) else word in text)]


def test_the_table_is_read_whole() -> None:
    wanted, forbidden = terms()
    assert {"立会日", "データ提供元", "ジョブ台帳", "クロージング・オークション"} <= wanted
    assert {"取得元", "台帳", "バー", "営業日", "アクション"} <= forbidden
    assert not wanted & forbidden


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("取得元のエラー", ["取得元"]),
        ("台帳から復元", ["台帳"]),
        ("バーを保存", ["バー"]),
        ("アクションを追加", ["アクション"]),
        ("ジョブ台帳からサーバーのコーポレートアクションを復元", []),
    ],
)
def test_a_forbidden_word_is_found(text: str, found: list[str]) -> None:
    assert find_forbidden(text) == found


def test_no_text_has_a_forbidden_word() -> None:
    assert {place: found for place, text in japanese_texts() if (found := find_forbidden(text))} == {}


@pytest.mark.parametrize(("page", "prose"), japanese_pages(), ids=[page for page, _ in japanese_pages()])
def test_no_page_has_a_forbidden_word(page: str, prose: str) -> None:
    assert [(line, found) for line in prose.splitlines() if (found := find_forbidden(line))] == []


@pytest.mark.parametrize(("page", "prose"), japanese_pages(), ids=[page for page, _ in japanese_pages()])
def test_pages_have_the_punctuation_of_texts(page: str, prose: str) -> None:
    wrong = [line for line in prose.splitlines() if _HALF_WIDTH.search(line) or _SPACED.search(line)]
    assert wrong == []


def test_punctuation_in_japanese_is_full_width() -> None:
    assert _HALF_WIDTH.search("取り込み(日次)")
    assert {place: text for place, text in japanese_texts() if _HALF_WIDTH.search(text)} == {}


def test_names_in_japanese_have_no_space_beside_them() -> None:
    assert _SPACED.search("Kaboom が動いています")
    assert not _SPACED.search("`kaboom up` を実行するか、KABOOM_API_URL を指定")
    assert {place: text for place, text in japanese_texts() if _SPACED.search(text)} == {}


def test_texts_do_not_use_glyphs_of_uncertain_width() -> None:
    # A terminal shows them one or two columns wide. Those of an example address stay.
    found = {place: text for place, text in japanese_texts() if re.search(r"(?<!://)[·…│╭─]", text)}
    assert found == {}
