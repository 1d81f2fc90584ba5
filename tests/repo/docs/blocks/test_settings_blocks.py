"""Settings that pages name exist, and settings, rules and YAML that they print are read without an error."""

import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from kaboom.portfolio.csv_file import parse_csv
from kaboom.providers.file.provider import FileProvider
from kaboom.providers.file.rules import read_rules_file
from kaboom.settings import load_settings
from tests.fixtures.repo.command_blocks import PAGES, read_blocks
from tests.fixtures.repo.repository import ROOT, load_text

#: Where names of variables come from: what the code, images, manifests, workflows and n8n read.
_READ_BY = ("src/kaboom", "infra", "n8n", ".github", ".ci", "compose.yaml", ".env.example")

#: Read by tests alone.
_OF_TESTS = {"KABOOM_RECORD", "KABOOM_TEST_TLS_SERVER"}


def blocks_of(language: str) -> list[tuple[str, str]]:
    """Return the page and the text of each block of a language."""
    return [(page, b.text) for page in PAGES for b in read_blocks(load_text(page)) if b.language == language]


def read_names() -> set[str]:
    """Return every `KABOOM_` name that a file other than a page has."""
    names: set[str] = set()
    for place in _READ_BY:
        paths = [ROOT / place] if (ROOT / place).is_file() else (ROOT / place).rglob("*")
        for path in paths:
            if path.is_file() and path.suffix not in {".md", ".pyc", ".gz"} and path != Path(__file__):
                names |= set(
                    re.findall(r"\bKABOOM_[A-Z0-9_]*[A-Z0-9]", path.read_text(encoding="utf-8", errors="replace"))
                )
    return names


def test_every_setting_that_a_page_names_is_read_somewhere() -> None:
    read = read_names() | _OF_TESTS
    found = {
        (page, name) for page in PAGES for name in re.findall(r"\bKABOOM_[A-Z0-9_]*[A-Z0-9]\b(?!_)", load_text(page))
    }
    assert {(page, name) for page, name in found if name not in read} == set()
    assert len(found) > 150


@pytest.mark.parametrize(("page", "text"), blocks_of("dotenv"))
def test_settings_of_a_page_are_taken(page: str, text: str) -> None:
    values = dict(re.findall(r"^([A-Z_]+)='?(.*?)'?$", text, re.MULTILINE))
    assert len(values) == len(text.strip().splitlines())
    load_settings(**values)


@pytest.mark.parametrize(("page", "text"), blocks_of("toml"))
def test_rules_of_files_are_taken(page: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "files.toml").write_text(text)
    assert len(read_rules_file(tmp_path).rules) == text.count("[[rules]]")


def test_csv_of_pages_is_read(tmp_path: Path) -> None:
    (japanese, panel, entries) = (text for _, text in blocks_of("csv"))
    assert japanese == panel
    assert len(parse_csv(entries, lambda: "x", today=date(2026, 12, 1)).entries) == 3
    for price in ("open", "high", "low", "close"):
        (tmp_path / f"{price}.csv").write_text(panel)
    described = FileProvider(tmp_path).describe()
    assert {(facts.rows, str(facts.refusals)) for *_, facts in described} == {(4, "()")}


def test_yaml_of_pages_posts_to_a_route() -> None:
    texts = [text for _, text in blocks_of("yaml")]
    assert all(yaml.safe_load(text) for text in texts)
    assert [url for text in texts for url in re.findall(r"127\.0\.0\.1:8000(\S+)", text)] == [
        "/api/v1/notifications/alertmanager"
    ]
