"""Every notebook of the tutorial runs, cell by cell, on a Kaboom of its own; both languages do the same."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.repo.repository import ROOT
from tests.fixtures.servers.servers import open_folder
from tests.fixtures.servers.stacks import stack

NOTEBOOKS = sorted((ROOT / "docs/tutorial").glob("*.ipynb"))
JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")

pytestmark = pytest.mark.timeout(600)


def read_cells(notebook: Path, kind: str) -> list[str]:
    content: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def test_there_are_notebooks_in_both_languages() -> None:
    assert {path.name for path in NOTEBOOKS} == {"first-day.ipynb", "first-day.ja.ipynb"}


def test_both_languages_run_the_same_code() -> None:
    english, japanese = (read_cells(ROOT / "docs/tutorial" / f"first-day{end}.ipynb", "code") for end in ("", ".ja"))
    assert [cell.replace('"ja"', '"en"') for cell in japanese] == english


def test_the_japanese_one_is_japanese() -> None:
    cells = read_cells(ROOT / "docs/tutorial/first-day.ja.ipynb", "markdown")
    assert [cell for cell in cells if not JAPANESE.search(cell)] == []


def test_what_a_notebook_printed_is_not_kept() -> None:
    for notebook in NOTEBOOKS:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(notebook: Path) -> None:
    with open_folder() as folder, stack(folder / ".kaboom") as up:
        script = "\n\n".join(read_cells(notebook, "code"))
        done = subprocess.run(
            [sys.executable, "-c", script], env=up.env, cwd=folder, capture_output=True, text=True, timeout=400,
            check=False,
        )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert done.stdout
