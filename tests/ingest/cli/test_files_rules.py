"""`kaboom files check` shows which rule of `files.toml` each file has, and a mistake in it by its line."""

from pathlib import Path

import pytest

from kaboom.cli.exits import Exit
from tests.fixtures.cli import Kaboom

BARS = "Datetime,Open,High,Low,Close,Volume\n2024-11-05 09:31,1,2,1,2,100\n2024-11-05 09:32,1,2,1,2,100\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "us").mkdir()
    for name in ("7203.csv", "us/SPY.csv"):
        (tmp_path / name).write_text(BARS)
    return tmp_path


@pytest.mark.parametrize(("language", "head"), [("en", "rule of files.toml"), ("ja", "files.tomlの規則")])
def test_each_file_has_its_rule(kaboom: Kaboom, folder: Path, language: str, head: str) -> None:
    (folder / "files.toml").write_text('[[rules]]\nfiles = "us/"\ntime_zone = "America/New_York"\nstamp = "end"\n')
    done = kaboom("--lang", language, "files", "check", str(folder))
    first, tokyo, new_york = done.out.strip().splitlines()
    assert first.rstrip().endswith(head)
    assert tokyo.rstrip().endswith(" -")
    assert new_york.rstrip().endswith("us/ time_zone=America/New_York stamp=end")


def test_a_folder_without_rules_has_no_column_of_them(kaboom: Kaboom, folder: Path) -> None:
    assert "files.toml" not in kaboom("files", "check", str(folder)).out


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "files.toml, line 3: expected one of files"), ("ja", "files.toml 3行目")],
)
def test_a_mistake_is_said_with_its_line(kaboom: Kaboom, folder: Path, language: str, words: str) -> None:
    (folder / "files.toml").write_text('[[rules]]\nfiles = "us/"\nstam = "end"\n')
    done = kaboom("--lang", language, "files", "check", str(folder))
    assert words in done.err
    assert done.code != Exit.OK


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "files.toml, line 2: expected files that the rule 'jp/' matches, found none"),
        ("ja", "規則 'jp/' に一致するファイルがありません"),
    ],
)
def test_a_rule_that_matches_no_file_is_said(kaboom: Kaboom, folder: Path, language: str, words: str) -> None:
    (folder / "files.toml").write_text('[[rules]]\nfiles = "jp/"\nstamp = "end"\n')
    done = kaboom("--lang", language, "files", "check", str(folder))
    assert words in done.out
    assert done.code == Exit.PARTIAL


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "UTF-8のテキストではありません"),
        (b"#" * 70_000, "大きさは 65,536 バイトまでです"),
    ],
)
def test_a_mistake_without_a_line_is_japanese(kaboom: Kaboom, folder: Path, content: bytes, words: str) -> None:
    (folder / "files.toml").write_bytes(content)
    assert words in kaboom("--lang", "ja", "files", "check", str(folder)).err
