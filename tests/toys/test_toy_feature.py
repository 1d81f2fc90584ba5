"""`kaboom dev new job` in a copy of the product: the job works at once, and all about it follows from its job type."""

import shutil
import subprocess

import pytest

from tests.fixtures.repo.repository import ROOT
from tests.toys.copies import Copy, copy_product

NAME, TASK = "sample_count", "market_data.sample_count"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy with a new kind of job."""
    copy = copy_product(tmp_path_factory.mktemp("job"))
    copy.run("-m", "kaboom.cli.main", "dev", "new", "job", NAME)
    return copy


def test_outside_its_folder_and_test_it_is_a_line_in_each_of_six_files(planted: Copy) -> None:
    assert planted.changed() == {
        ".importlinter": 2,
        "docs/reference/queues.md": 2,
        "docs/reference/schedules.md": 2,
        "src/kaboom/catalog.py": 1,
        "src/kaboom/text/ja.po": 20,
        "src/kaboom/text/tables.py": 1,
    }
    assert planted.added() == [
        *(f"src/kaboom/{NAME}/{name}.py" for name in ("__init__", "jobs", "request", "tasks")),
        f"tests/{NAME}/test_{NAME}.py",
    ]


@pytest.mark.timeout(600)
def test_it_works_at_once(planted: Copy) -> None:
    passed = planted.run_tests(f"tests/{NAME}", "tests/test_catalog.py")
    assert "test_a_submitted_job_shows_its_result" in passed
    assert TASK in passed


@pytest.mark.timeout(600)
def test_it_keeps_the_rules_of_the_house(planted: Copy) -> None:
    planted.run("-m", "ruff", "check", f"src/kaboom/{NAME}", f"tests/{NAME}", "src/kaboom/catalog.py")
    planted.run("-m", "ruff", "format", "--check", f"src/kaboom/{NAME}", f"tests/{NAME}", "src/kaboom/catalog.py")
    # Without its cache mypy reads the types of all packages anew.
    if (cache := ROOT / ".mypy_cache").exists():
        shutil.copytree(cache, planted.root / cache.name)
    planted.run("-m", "mypy", f"src/kaboom/{NAME}", f"tests/{NAME}")
    planted.run("-c", "import sys; from importlinter.cli import lint_imports_command as lint; lint(['--no-logo'])")


@pytest.mark.timeout(600)
def test_its_rows_and_texts_are_whole(planted: Copy) -> None:
    row = "tests/web/auth/test_matrix.py::test_every_operation_has_a_row"
    with planted.told(TASK):
        planted.run_tests("tests/repo/docs/test_queues.py", "tests/text", "tests/cli/test_japanese_help.py", row)


def test_celery_workers_know_its_task(planted: Copy) -> None:
    code = "from kaboom.worker.celery_app import celery_app; print(*celery_app.tasks)"
    assert TASK in planted.run("-c", code, REDIS_URL="redis://127.0.0.1:1/0").split()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Sample", "name was 'Sample', expected one like sample_count"),
        ("ingest", "name was ingest, and src/kaboom/ingest exists: choose another"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(planted: Copy, name: str, said: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        planted.run("-m", "tests.toys.scaffold", "job", name)
    assert caught.value.returncode == 2
    assert said in caught.value.stderr
