"""Nothing in the repository names the machine that it was written on, or a host that packages came from."""

import re
from pathlib import Path

import pytest

from tests.fixtures.repo.repository import ROOT, find_files

FORBIDDEN = {
    "a path of a machine": r"/root/|/(?:Users|home)/(?!app\b|kaboom\b|me\b|you\b)\w+/",
    "a package registry": r"pypi\.org|pythonhosted\.org|registry\.npmjs|crates\.io|registry\.yarnpkg",
}


def faults_in(text: str) -> list[str]:
    return [f"{what}: {found[0]}" for what, pattern in FORBIDDEN.items() if (found := re.search(pattern, text))]


def test_no_file_names_this_machine_or_a_registry() -> None:
    faults = {}
    for path in find_files():
        if path != Path(__file__) and (found := faults_in(_text(path).replace("\0", ""))):
            faults[str(path.relative_to(ROOT))] = found
    assert faults == {}


def test_no_file_names_where_this_checkout_is() -> None:
    assert [str(path) for path in find_files() if f"{ROOT}/" in _text(path)] == []


@pytest.mark.parametrize("text", ["cd /root/x", "/home/jane/k", "/Users/jane/k", "https://pypi.org/simple"])
def test_a_planted_text_is_caught(text: str) -> None:
    assert faults_in(text)


@pytest.mark.parametrize("text", ["/home/app/x", "a shared lock", "works in /tmp/x", "network/worker", "frameworks/x"])
def test_a_harmless_text_is_not(text: str) -> None:
    assert not faults_in(text)


def _text(path: Path) -> str:
    # Bytes that are no text still hold paths in plain letters.
    return path.read_bytes().decode("utf-8", errors="ignore")
