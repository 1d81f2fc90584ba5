"""Python of pages compiles, imports what there is, and uses no name that nothing gives it."""

import ast
import importlib
import subprocess
import sys

import pytest

from tests.fixtures.repo.command_blocks import PAGES, read_blocks
from tests.fixtures.repo.repository import load_text

_WITH_PYTHON = [page for page in PAGES if any(b.language == "python" for b in read_blocks(load_text(page)))]


def python_of(page: str) -> str:
    """Return all Python of a page; each block knows the names of those before."""
    return "\n".join(block.text for block in read_blocks(load_text(page)) if block.language == "python")


def faults_of(code: str) -> list[str]:
    """Return the imports of a piece of code that do not resolve, and its undefined names."""
    faults = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            faults += [f"{node.module} has no {name.name}" for name in node.names if not hasattr(module, name.name)]
        elif isinstance(node, ast.Import):
            for name in node.names:
                importlib.import_module(name.name)
    argv = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "--output-format", "concise", "-"]
    done = subprocess.run(argv, input=code, capture_output=True, text=True, check=False)
    return faults + [line for line in done.stdout.splitlines() if "F821" in line]


@pytest.mark.parametrize("page", _WITH_PYTHON)
def test_python_of_a_page_knows_its_names(page: str) -> None:
    assert faults_of(python_of(page)) == []


def test_wrong_python_is_noticed() -> None:
    assert faults_of("from kaboom.cli.exits import Exits") == ["kaboom.cli.exits has no Exits"]
    assert "Undefined name `bars`" in "".join(faults_of("print(bars)"))
    with pytest.raises(ModuleNotFoundError):
        faults_of("import kabooom")
