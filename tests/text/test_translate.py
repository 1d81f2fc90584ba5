"""The text of an error is translated by its template, and every error of a caller has one."""

import ast
import string
from collections.abc import Iterator
from functools import cache

import pytest

from kaboom.domain_settings import BatchSettings
from kaboom.providers.registry import provider_names
from kaboom.text.translate import translate
from tests.fixtures.repo.repository import Module, load_modules
from tests.text.texts import JAPANESE, catalogue, fields

#: Errors that an API caller or a person at the command line gets to read.
_CALLERS = frozenset(
    {"InvalidRequest", "NotFound", "Conflict", "NotAuthorized", "Forbidden", "NotAcceptable"}
    | {"TooManyStreams", "TooManyLogins"}
)
#: Calls whose second argument is a text for a caller; a provider's `Server` has the advice after a refusal.
_SECOND = frozenset({"Answer", "CliError", "Server"})

#: How what pydantic, FastAPI and Typer say begins.
_OF_FRAMEWORKS = (
    *(
        "Input should",
        "String should",
        "List should",
        "Tuple should",
        "Dictionary should",
        "Field required",
        "Extra inputs",
    ),
    *("Unexpected keyword", "JSON decode error", "Method Not Allowed"),
    *("No such ", "Missing ", "Option '{name}'", "Got unexpected", "Invalid value for '{name}'"),
)
#: What an owner may have only so many of.
_LIMITED = ("channels", "portfolios", "rules", "schedules", "tokens", "users")
#: Texts that the code puts together of parts.
_COMPOSED = (
    *("#: {why}", "{part}: no answer in "),
    *(f"there are {{count}} {what} already, " for what in _LIMITED),
    *(
        "{free} MiB are free, ",
        "{folder}: {free} MiB are free, ",
        "{folder}: no limit",
        "{place}: {pages} pages, ",
        "{place}: {bars} bars, ",
        "{where}: bar_symbol does not have it, ",
        "{where}: bar_series does not have ",
    ),
    "url was not encrypted, ",
    *("files.toml: ", "{file}.csv: ", "{file}.gz: ", "{file}.txt: ", "{file}.xlsx: ", "{file}.zip: "),
    "the disk of {folder} is full: {why}; free space on it (",
)
#: Where a ValueError is of Kaboom's own making, whatever the request was.
_OWN_FAULTS = ("src/kaboom/jobs/job_type.py", "src/kaboom/pictures/")


@cache
def messages() -> list[tuple[str, str]]:
    """Return the messages of the code, read once; when a test asks, since that takes seconds."""
    return list(raised())


def raised() -> Iterator[tuple[str, str]]:
    """Yield the place and a sample of each message that is written where it is raised or answered."""
    for module in load_modules("src/kaboom"):
        if module.name.startswith("src/kaboom/client/"):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                wanted = node.args[1:2] if node.func.id in _SECOND else node.args[:1]
                raising = _CALLERS | ({"ValueError"} if checks_fields(module) else set())
                if node.func.id in raising | _SECOND and (sample := sample_of(*wanted)):
                    yield f"{module.name}:{node.lineno}", sample
            if (
                isinstance(node, ast.ClassDef)
                and {base.id for base in node.bases if isinstance(base, ast.Name)} & _CALLERS
            ):
                yield from ((f"{module.name}:{node.lineno}", sample) for sample in own_messages(node))


def own_messages(error: ast.ClassDef) -> Iterator[str]:
    """Yield a sample of each message that a class of errors gives to `super().__init__`."""
    calls = [node for node in ast.walk(error) if isinstance(node, ast.Call)]
    yield from (
        text for call in calls if ast.unparse(call.func) == "super().__init__" if (text := sample_of(*call.args[:1]))
    )


def checks_fields(module: Module) -> bool:
    """Return whether a module may say by a ValueError what is wrong with a field of a request."""
    imported = {node.module for node in module.tree.body if isinstance(node, ast.ImportFrom)}
    return bool(imported & {"pydantic", "kaboom.drivers.request"}) and not module.name.startswith(_OWN_FAULTS)


def sample_of(node: ast.expr | None = None) -> str:
    """Return the text of a literal, with a number for each of its fields; empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return ""
    parts = (part.value if isinstance(part, ast.Constant) else "7" for part in node.values)
    text = "".join(str(part) for part in parts)
    # The text is wholly in the fields: an operating system's message, or what a caller of a parser expects.
    return "" if text.replace("7", "") in {": ", " was , expected "} else text


ERRORS = [(english, japanese) for context, english, japanese in catalogue() if context == "error"]


def test_messages_are_found_in_the_code() -> None:
    assert len(messages()) > 90
    assert any("expected YYYY-MM-DD" in text for _, text in messages())


def test_every_error_of_a_caller_has_a_japanese_text() -> None:
    missing = {text: place for place, text in messages() if not JAPANESE.search(translate(text, "ja"))}
    assert missing == {}, 'give each of these texts an entry in src/kaboom/text/ja.po, msgctxt "error"'


def test_every_pair_is_a_text_of_the_code() -> None:
    # A text that was worded anew leaves its pair behind, and its reader in Japan without one.
    modules = load_modules("src/kaboom")
    nodes = [n for m in modules for n in ast.walk(m.tree)]
    constants = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    said = "\n".join([*constants, *(BatchSettings().lacking_for(name) or "" for name in provider_names())])
    ours = [english for english, _ in ERRORS if not english.startswith(_OF_FRAMEWORKS)]
    unsaid = [text for text in ours if max(_literals(text), key=len).strip() not in said]
    assert [text for text in unsaid if not text.startswith(_COMPOSED)] == []
    assert len(unsaid) == len(_COMPOSED)


def _literals(template: str) -> list[str]:
    return [literal for literal, *_ in string.Formatter().parse(template)]


def test_english_stays_as_it_was_raised() -> None:
    assert all(translate(text, "en") == text for _, text in messages())


def test_every_template_translates_its_own_text() -> None:
    for english, japanese in ERRORS:
        values = {name: f"<{name}>" for name in fields(english)}
        assert translate(english.format(**values), "ja") == japanese.format(**values), english


@pytest.mark.parametrize(
    ("english", "japanese"),
    [
        (
            "job 7 was running: cancel it before you delete it",
            "ジョブ 7 は終了していません（running）。削除する前に中止してください",
        ),
        ("#/intervals/1m: Input should be greater than or equal to 1", "#/intervals/1m：1以上を指定してください"),
        (
            "#/first: expected cron or session_at",
            "#/first：cron か session_at のどちらかを指定してください",
        ),
        (
            "page x is damaged: crc32; repair it with `kaboom bars repair`",
            "ページ x が破損しています：crc32。`kaboom bars repair` で修復してください",
        ),
        (
            "#: quiet_from and quiet_until were the same: switch the rule off instead",
            "#：quiet_from と quiet_until が同じです。代わりにルールを無効にしてください",
        ),
        (
            "1 of 2 items failed; first cause: 6758 invalid: a.csv, line 2, column x: expected a number, found 'xyz'",
            "2件中1件が失敗しました。最初の原因：6758 invalid：a.csv 2行目 列「x」：数値が必要です。値は 'xyz' です",
        ),
        (
            "3 of 9 items failed; first cause: 6758 rate_limited",
            "9件中3件が失敗しました。最初の原因：6758 rate_limited",
        ),
        (
            "2 of 9 items failed; first cause: given up after 3 attempts: the provider answered 503",
            "9件中2件が失敗しました。最初の原因：3回の試行で処理を打ち切りました：the provider が 503 を返しました",
        ),
        ("a text of nobody's", "a text of nobody's"),
        ("", ""),
        ("{", "{"),
        ("job {job_id} is not in the ledger", "ジョブ {job_id} はジョブ台帳にありません"),
    ],
)
def test_a_text_is_translated_with_its_values(english: str, japanese: str) -> None:
    assert translate(english, "ja") == japanese


def test_long_hostile_text_is_matched_in_linear_time() -> None:
    # A pattern that backtracks would take hours for these.
    text = "interval was " + ", supported are " * 20_000
    assert translate(text, "ja")
    assert translate("#" + ": " * 50_000 + "x", "ja")
