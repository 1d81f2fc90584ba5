"""Commands of pages are ones that the command line takes, with variables that the page sets."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.repo.command_blocks import PAGES, read_blocks, read_prose
from tests.fixtures.repo.command_lines import find_commands, refuse
from tests.fixtures.repo.repository import load_text

#: Set by every shell.
_OF_THE_SHELL = {"HOME", "PATH", "PWD"}
_SET = re.compile(r"(?:^|[\s;(])(?:export )?(\w+)=|\bread -rs (\w+)|\bfor (\w+) in", re.MULTILINE)


def commands_of(page: str) -> list[list[str]]:
    """Return the words of each `kaboom` command in the blocks of a page."""
    text = "\n".join(block.text for block in read_blocks(load_text(page)) if block.language == "bash")
    return [words for words in find_commands(text) if words[0] == "kaboom"]


def named_by(page: str) -> list[list[str]]:
    """Return the words of each `kaboom` command that the prose of a page names."""
    code = re.findall(r"`([^`]*\bkaboom [^`]*)`", read_prose(load_text(page)))
    # `…` and <…> stand for anything; a bare [ ] around an option says that it may be left out.
    texts = [
        re.sub(r"[\[\]]", " ", text.replace("\n", " ")) for text in code if not re.search(r"kaboom [^|]*<\w", text)
    ]
    return [words for text in texts for words in find_commands(text) if words[0] == "kaboom"]


def test_the_command_line_takes_every_command_of_a_block() -> None:
    refused = [(page, refuse(words, is_whole=True)) for page in PAGES for words in commands_of(page)]
    assert [(page, why) for page, why in refused if why] == []


def test_the_command_line_knows_every_command_that_is_named() -> None:
    refused = [(page, refuse(words, is_whole=False)) for page in PAGES for words in named_by(page)]
    assert [(page, why) for page, why in refused if why] == []


def test_hundreds_of_commands_are_found() -> None:
    assert sum(len(commands_of(page)) for page in PAGES) > 180
    assert sum(len(named_by(page)) for page in PAGES) > 200


@pytest.mark.parametrize(
    ("line", "is_whole"),
    [
        ("kaboom jobs lost", False),
        ("kaboom jobs list --state failed", False),
        ("kaboom jobs list --limit many", True),
        ("kaboom jobs show", True),
        ("kaboom ingest run-daily --interval", True),
        ("kaboom jobs show A B", True),
        ("kaboom", True),
    ],
)
def test_a_wrong_command_is_refused(line: str, is_whole: bool) -> None:  # noqa: FBT001  a parameter of the test
    assert refuse(line.split(), is_whole=is_whole)


def test_commands_are_found_where_a_shell_would_run_them() -> None:
    lines = (
        "A=1 kaboom up & # kaboom no",
        "id=$(kaboom jobs list) && kaboom doctor > f",
        "cat <<X",
        "kaboom never",
        "X",
    )
    shell = "\n".join((*lines, "if kaboom \\", " x; then"))
    assert [" ".join(words) for words in find_commands(shell) if words[0] == "kaboom"] == [
        "kaboom jobs list",
        "kaboom up",
        "kaboom doctor",
        "kaboom x",
    ]


def unset_in(page: str) -> list[str]:
    """Return the variables in the blocks of a text that neither a block sets nor the prose names."""
    known = _OF_THE_SHELL | set(re.findall(r"`([A-Z][A-Z0-9_]*)[`=]", read_prose(page)))
    unset: list[str] = []
    for block in read_blocks(page):
        if block.language == "bash":
            known |= {name for found in _SET.findall(block.text) for name in found}
            used = re.findall(r"\$\{?([A-Za-z_]\w*)", re.sub(r"'[^'\n]*'", "", block.text))
            unset += [f"block {block.number}: {name}" for name in used if name not in known]
    return unset


def test_pages_set_the_variables_of_their_blocks() -> None:
    assert {page: unset for page in PAGES if (unset := unset_in(load_text(page)))} == {}
    assert unset_in("`A`\n```bash\nB=1\necho $A ${B} $C '$D'\n```\n") == ["block 1: C"]


def test_production_gets_what_staging_got(tmp_path: Path) -> None:
    (release,) = [b.text for b in read_blocks(load_text("docs/operations/release.md")) if "origin/staging" in b.text]
    script = f"""
        set -e
        git init --quiet --bare origin.git
        git init --quiet clone && cd clone
        git remote add origin ../origin.git
        git config user.email a@example.com && git config user.name a
        git commit --quiet --allow-empty -m one && git push --quiet origin HEAD:refs/heads/main HEAD:refs/heads/staging
        git commit --quiet --allow-empty -m two
        {release}
        test "$(git ls-remote origin refs/heads/main | cut -f1)" = "$(git rev-parse HEAD)"
    """
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
