"""Blocks that no test runs are counted, and a block that fails is noticed."""

import re
import subprocess

import pytest

from app.cli.exits import Exit
from app.jobs.queues import Queue
from tests.fixtures.repo.command_blocks import Block, read_blocks, write_script
from tests.fixtures.repo.repository import ROOT, load_text

PAGES = ["README.md", *(f"docs/how-to/{path.name}" for path in sorted((ROOT / "docs/how-to").glob("*.md")))]
#: By the page: how many blocks are marked as not run. A new one needs a reason, and a number here.
NOT_RUN = {
    "README.md": 5,
    "docs/how-to/drive-with-n8n.md": 2,
    "docs/how-to/get-notified.md": 1,
    "docs/how-to/refresh-quotes-and-symbols.md": 3,
    "docs/how-to/run-with-docker.md": 9,
    "docs/how-to/use-your-own-files.md": 5,
}


@pytest.mark.parametrize("page", PAGES)
def test_blocks_that_are_not_run_are_counted(page: str) -> None:
    blocks = read_blocks(load_text(page))
    assert len([block for block in blocks if block.reason]) == NOT_RUN.get(page, 0)
    assert len(blocks) == len(re.findall(r"^ *```(?:bash|python)$", load_text(page), re.MULTILINE))


@pytest.mark.parametrize("language", ["bash", "python"])
def test_a_failing_block_ends_the_script(language: str) -> None:
    text = {"bash": "false | cat\n", "python": "raise SystemExit(3)\n"}[language]
    blocks = [Block(1, language, text, None), Block(2, "bash", "echo reached\n", None)]
    done = subprocess.run(["bash", "-c", write_script(blocks, "http://x")], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "reached" not in done.stdout


def test_exit_codes_are_listed() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", load_text("docs/reference/exit-codes.md"), re.MULTILINE)
    assert [(int(code), name) for code, name in rows] == [(code.value, code.name) for code in Exit]


def test_every_page_is_in_the_index() -> None:
    docs = ROOT / "docs"
    links = set(re.findall(r"\]\(([^)#]+\.md)\)", load_text("docs/README.md")))
    pages = {path.relative_to(docs).as_posix() for path in docs.glob("*/*.md")}
    assert {page for page in pages if not page.startswith("decisions/")} <= links


@pytest.mark.parametrize("page", ["README.md", "README.ja.md", "CONTRIBUTING.md"])
def test_every_make_target_that_a_page_names_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", load_text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z0-9-]+)|^make ([a-z0-9-]+)", load_text(page), re.MULTILINE))
    assert {first or second for first, second in named} <= targets


def test_every_lane_has_a_target_a_step_and_a_row() -> None:
    (skipped,) = re.findall(r"^norecursedirs = \[(.*?)\]", load_text("pyproject.toml"), re.MULTILINE | re.DOTALL)
    lanes = {name for name in re.findall(r'"([\w-]+)"', skipped) if (ROOT / "api/tests" / name).is_dir()}
    makefile, steps, rows = load_text("Makefile"), load_text(".ci/run"), load_text("CONTRIBUTING.md")
    recipes = dict(re.findall(r"^([a-z0-9-]+): .*\n((?:\t.*\n)+)", makefile, re.MULTILINE))
    for lane in lanes - {"faults"}:
        (target,) = [name for name, recipe in recipes.items() if re.search(rf"api/tests/{lane}\b", recipe)]
        assert f"make {target}\n" in steps
        assert f"| `make {target}` |" in rows
        assert re.search(rf"^\.PHONY:.* {target}\b", makefile, re.MULTILINE)


def test_worker_commands_name_only_queues_that_exist() -> None:
    pages = [path for path in (ROOT / "docs").rglob("*.md") if "decisions" not in path.parts]
    for page in [ROOT / "README.md", ROOT / "README.ja.md", *pages]:
        named = re.findall(r"--queues=([\w,]+)", page.read_text(encoding="utf-8"))
        assert {queue for queues in named for queue in queues.split(",")} <= set(Queue), page.name


def test_the_versions_of_python_agree() -> None:
    (oldest,) = re.findall(r'requires-python = ">=([\d.]+)"', load_text("pyproject.toml"))
    assert f"Python {oldest} or newer" in load_text("README.md")
    assert f"Python {oldest}以降" in load_text("README.ja.md")
