"""`make quick` finds the tests that mirror a file."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.repo.repository import ROOT, load_text
from tests.quick import commands, mirrored_tests, run_all


@pytest.mark.parametrize(
    ("path", "tests"),
    [
        ("src/kaboom/jobs/model.py", ["tests/jobs/test_model.py"]),
        ("src/kaboom/ingest/jobs.py", ["tests/ingest", "tests/test_catalog.py"]),
        ("src/kaboom/ingest/tasks.py", ["tests/ingest"]),
        ("src/kaboom/catalog.py", ["tests/test_catalog.py"]),
        ("src/kaboom/providers/yahoo/parse.py", ["tests/providers/test_yahoo.py"]),
        ("src/kaboom/main.py", []),
        ("src/kaboom/dashboard/templates/base.html", ["tests/dashboard"]),
        ("tests/repo/test_quick.py", ["tests/repo/test_quick.py"]),
        ("docs/README.md", ["tests/repo/docs"]),
        ("tests/fixtures/patience.py", []),
        ("deploy/terraform/main.tf", []),
        ("Makefile", []),
    ],
)
def test_a_file_is_mirrored(path: str, tests: list[str]) -> None:
    assert mirrored_tests([path]) == tests


def test_a_folder_covers_its_files() -> None:
    paths = ["tests/ingest/test_runner.py", "src/kaboom/ingest/jobs.py", "src/kaboom/ingest/jobs.py"]
    assert mirrored_tests(paths) == ["tests/ingest", "tests/test_catalog.py"]


def test_python_is_formatted_linted_and_typed_before_its_tests() -> None:
    programs = [command[0] for command in commands(["src/kaboom/jobs/model.py", "docs/README.md"])]
    assert programs == ["ruff", "ruff", "mypy", "lint-imports", "pytest"]
    assert [command[0] for command in commands(["docs/README.md"])] == ["pytest"]
    assert commands(["Makefile"]) == []


def test_many_files_run_in_several_processes() -> None:
    assert "auto" in commands(["src/kaboom/bars/export/files.py", "src/kaboom/ingest/jobs.py"])[-1]
    assert "auto" not in commands(["src/kaboom/jobs/model.py"])[-1]


def test_all_checks_run_and_are_told_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    slow = ["python", "-c", "import time; time.sleep(0.5); print('first'); raise SystemExit(3)"]
    quick = ["python", "-c", "import sys; sys.stderr.write('second')"]
    assert run_all([slow, quick]) == 3
    told = capsys.readouterr().out
    assert 0 < told.index("first") < told.index("second")
    assert run_all([quick]) == 0


def test_what_changed_since_a_commit_is_found(tmp_path: Path) -> None:
    def git(*command: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], cwd=tmp_path, check=True)

    def changed(*since: str) -> list[str]:
        code = (
            "import sys, pathlib, tests.quick as q; q.ROOT = pathlib.Path(sys.argv[1]);"
            "print(*q.changed_paths(sys.argv[2]))"
        )
        argv = [sys.executable, "-c", code, str(tmp_path), *(since or [""])]
        return subprocess.run(argv, check=True, capture_output=True, text=True, cwd=ROOT).stdout.split()

    git("init", "-q")
    for name in ("a", "b"):
        (tmp_path / name).write_text("1")
        git("add", name)
        git("commit", "-qm", name)
    assert changed() == ["b"]
    (tmp_path / "c").write_text("1")
    (tmp_path / "a").write_text("2")
    assert changed() == ["a", "c"]
    assert changed("HEAD~1") == ["a", "b", "c"]


def test_contributing_begins_with_it() -> None:
    assert "make quick" in load_text("CONTRIBUTING.md").partition("\n## ")[0]
