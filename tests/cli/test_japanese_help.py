"""Help is whole in Japanese: every text of it has its words, and its lines fit."""

from collections.abc import Iterator
from typing import Any
from unicodedata import east_asian_width

import pytest
import typer.main

from kaboom.cli.help import fold
from kaboom.cli.index import INDEX
from kaboom.cli.main import app, load_command, summarise
from kaboom.text.catalogue import load_japanese
from kaboom.text.help import HELP, say_help
from tests.fixtures.cli import Kaboom
from tests.text.texts import JAPANESE

#: Names and codes alone.
SAME = {"5m, 15m, 1h and 1d"}


def texts_of(command: Any) -> Iterator[str]:
    """Yield each text that help shows of a command, and of those below it."""
    if command.help:
        yield summarise(command.help)
    for parameter in command.params:
        if text := getattr(parameter, "help", None):
            yield text
    for child in getattr(command, "commands", {}).values():
        yield from texts_of(child)


COMMANDS = [typer.main.get_command(app), *map(load_command, INDEX)]
TEXTS = sorted({text for command in COMMANDS for text in texts_of(command)})


def test_every_text_of_help_has_its_japanese() -> None:
    missing = [text for text in TEXTS if not JAPANESE.search(say_help(text) or "")]
    where = 'in src/kaboom/text/ja.po, with msgctxt "help"'
    assert not missing, "\n".join([f"say each in Japanese {where}", *missing])


def test_every_japanese_text_is_used() -> None:
    shown = "\n".join(TEXTS)
    texts = load_japanese()[HELP]
    assert [text for text in texts if text not in shown] == ["Show this message and exit."]
    assert [text for text, japanese in texts.items() if not JAPANESE.search(japanese) and text not in SAME] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("only this symbol (repeatable)  [required]", "この銘柄だけ（複数指定可）［必須］"),
        ("port to listen on  [env var: PORT; default: 8000]", "待ち受けるポート［環境変数：PORT、既定：8000］"),
        ("jobs on one page  [default: 20; 1<=x<=200]", "1ページのジョブ数［既定：20、1<=x<=200］"),
        ("one of 1m, 1d; default: 1m", "1m, 1d のいずれか、既定：1m"),
        ("no such text", None),
    ],
)
def test_text_around_a_known_sentence_is_kept(text: str, said: str | None) -> None:
    assert say_help(text) == said


@pytest.mark.parametrize("arguments", [["--lang", "ja", "--help"], ["jobs", "list", "--help", "--lang=ja"]], ids=str)
def test_help_is_japanese_and_fits(kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = kaboom(*arguments)
    assert done.code == 0
    assert done.out.startswith("使い方：kaboom")
    assert max(sum(2 if east_asian_width(c) in "WF" else 1 for c in line) for line in done.out.splitlines()) <= 80
    monkeypatch.setenv("KABOOM_LANG", "en")
    english = kaboom(*[word for word in arguments if not word.startswith("--lang") and word != "ja"])
    assert english.out.startswith("Usage: kaboom")


def test_lines_are_folded_by_columns() -> None:
    assert list(fold("日本語の文です。abc def", 8)) == ["日本語の", "文です。", "abc def"]
    # A full stop does not begin a line.
    assert list(fold("日本語文。", 8)) == ["日本語文。"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["jobs", "lst"], "エラー：'lst' というコマンドはありません。もしかして：'list'"),
        (["launch"], "エラー：'launch' というコマンドはありません"),
        (["jobs", "show"], "エラー：引数 'job_id' が必要です"),
        (["jobs", "list", "--page", "2"], "エラー：--page というオプションはありません"),
        (["jobs", "list", "--limit"], "エラー：オプション '--limit' には値が必要です"),
        (["jobs", "list", "--limit", "many"], "エラー：'--limit' の値が正しくありません："),
        (["jobs", "list", "more"], "エラー：余分な引数があります：more"),
    ],
    ids=str,
)
def test_a_wrong_call_is_reported_in_japanese(kaboom: Kaboom, arguments: list[str], said: str) -> None:
    done = kaboom(*arguments, "--lang", "ja")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Error" not in done.err


def test_a_group_without_a_command_shows_its_help_in_japanese(kaboom: Kaboom) -> None:
    done = kaboom("jobs", "--lang", "ja")
    assert done.code == 2
    assert done.err.startswith("使い方：kaboom jobs")
    assert "コマンド：" in done.err
