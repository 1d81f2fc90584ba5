"""A file for each change since the last release, a section for each release, and one name of the package."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.fixtures.repo.repository import ROOT, find_files, load_text

PROJECT = tomllib.loads(load_text("pyproject.toml"))
KINDS = [kind["directory"] for kind in PROJECT["tool"]["towncrier"]["type"]]
CHANGES = [path for path in find_files() if path.parent == ROOT / "changes"]


def faults_of(name: str, text: str) -> list[str]:
    """Say what is wrong with the file of a change."""
    paragraph = text.strip()
    rules = {
        f"its name is not SHORT-NAME.KIND.md, KIND one of {', '.join(KINDS)}": (
            re.fullmatch(rf"[a-z0-9_-]+\.(?:{'|'.join(KINDS)})\.md", name)
        ),
        "it is not one paragraph, without a heading or a list mark": re.fullmatch(r"[^\s#*-].*(?:\n\S.*)*", paragraph),
        "it does not end with a full stop": paragraph.endswith((".", ".)")),
        "a link of it is not from the root of the repository": all(
            not link.startswith(".") and (ROOT / link).exists()
            for link in re.findall(r"\]\((?![a-z]+:)([^)#]+)", paragraph)
        ),
    }
    return [what for what, holds in rules.items() if not holds]


def test_each_change_has_the_form_that_a_release_needs() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in CHANGES}
    assert {"README.md", "template.md"} <= set(texts)
    named = {name: text for name, text in texts.items() if name not in {"README.md", "template.md"}}
    assert {name: found for name, text in named.items() if (found := faults_of(name, text))} == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("new-page.md", "A page."),
        ("new-page.news.md", "A page."),
        ("New page.added.md", "A page."),
        ("new-page.added.md", "- A page."),
        ("new-page.added.md", "### Added."),
        ("new-page.added.md", "A page.\n\nAnother one."),
        ("new-page.added.md", "A page"),
        ("new-page.added.md", "A page ([how](../docs/README.md))."),
    ],
)
def test_a_change_in_another_form_is_named(name: str, text: str) -> None:
    assert len(faults_of(name, text)) == 1


def test_a_change_of_two_lines_with_a_link_has_the_form() -> None:
    assert faults_of("new-page.added.md", "A page\nof `x` ([how](docs/README.md#use)).\n") == []


def test_the_changelog_waits_for_the_next_release() -> None:
    mark = PROJECT["tool"]["towncrier"]["start_string"]
    before, found, after = load_text("CHANGELOG.md").partition(mark)
    assert found
    assert before.count("\n## ") == 1, "above the mark is Unreleased alone"
    assert "\n- " not in before, f"write a file in changes/ instead of a line of the changelog, in one of {KINDS}"
    assert re.match(rf"\n## \[{re.escape(PROJECT['project']['version'])}\] - \d{{4}}-\d\d-\d\d\n", after), (
        "the newest section is that of the version in pyproject.toml"
    )


def strange_extras(text: str) -> list[str]:
    """Return what a text installs as Kaboom and is not: `kaboom` on PyPI is a stranger's package."""
    extras = PROJECT["project"]["optional-dependencies"]
    installed = re.findall(r"(?:(?:pip|uv|uvx) (?:[a-z-]+ )*['\"]?|(?<=[\s`'\"(]))(kaboom(?:-api)?\[[\w,-]+\])", text)
    bare = re.findall(r"pip install (?:-\S+ )*['\"]?(kaboom)(?![\w-])", text)
    return [*bare, *(each for each in installed if not _is_ours(each, set(extras)))]


def _is_ours(installed: str, extras: set[str]) -> bool:
    name, _, chosen = installed.rstrip("]").partition("[")
    return name == PROJECT["project"]["name"] and set(chosen.split(",")) <= extras


def test_the_package_has_one_name() -> None:
    kinds = {".md", ".py", ".po", ".html", ".ipynb", ".toml", ".yml", ".yaml"}
    paths = [path for path in find_files() if path.suffix in kinds and path != Path(__file__)]
    assert {
        path.relative_to(ROOT).as_posix(): found
        for path in paths
        if (found := strange_extras(path.read_text(encoding="utf-8")))
    } == {}


@pytest.mark.parametrize("text", ["install kaboom[backtest]", "pip install kaboom", "needs `kaboom-api[images]`"])
def test_a_name_of_a_strangers_package_is_named(text: str) -> None:
    assert strange_extras(text)
