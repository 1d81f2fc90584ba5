"""`kaboom dev new` in a copy of the product: a job and a provider work at once, and all about them follows."""

import re
import shutil
import subprocess

import pytest

from tests.fixtures.repo.repository import ROOT
from tests.toys.copies import Copy, copy_product

JOB, TASK = "sample_count", "market_data.sample_count"
PROVIDER = "acme"
FOLDER, TESTS = f"src/kaboom/providers/{PROVIDER}", f"tests/providers/test_{PROVIDER}.py"
REMOTES, REGISTRY = "tests/fixtures/providers/remote_providers.py", "src/kaboom/providers/registry.py"
CONTRACTS = ("tests/providers/test_remote_provider_contract.py", "tests/providers/test_provider_contract.py")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy with a new kind of job and a new provider."""
    copy = copy_product(tmp_path_factory.mktemp("toys"))
    for kind, name in (("job", JOB), ("provider", PROVIDER)):
        copy.run("-m", "kaboom.cli.main", "dev", "new", kind, name)
    return copy


def test_outside_their_folders_and_tests_they_are_lines_in_a_few_files(planted: Copy) -> None:
    texts = "src/kaboom/text/ja.po"
    of_job = {
        ".importlinter": 2,
        "docs/reference/queues.md": 2,
        "docs/reference/schedules.md": 2,
        "src/kaboom/catalog.py": 1,
        "src/kaboom/text/tables.py": 1,
        texts: 20,
    }
    of_provider = {
        ".env.example": 1,
        "docs/how-to/repair-gaps.ja.md": 1,
        "docs/how-to/repair-gaps.md": 1,
        "docs/reference/providers.md": 1,
        "docs/reference/settings.md": 1,
        REGISTRY: 1,
        REMOTES: 2,
        texts: 12,
    }
    assert planted.changed() == of_job | of_provider | {texts: of_job[texts] + of_provider[texts]}
    assert planted.added() == sorted(
        [
            *(f"src/kaboom/{JOB}/{name}.py" for name in ("__init__", "jobs", "request", "tasks")),
            f"tests/{JOB}/test_{JOB}.py",
            *(f"{FOLDER}/{name}.py" for name in ("__init__", "provider", "spec")),
            f"tests/fixtures/providers/fake_{PROVIDER}.py",
            TESTS,
        ]
    )


def test_they_work_at_once_and_their_rows_and_texts_are_whole(planted: Copy) -> None:
    docs = [f"tests/repo/docs/test_{name}.py" for name in ("queues", "providers_doc", "settings", "numbers")]
    texts = ("tests/text", "tests/cli/test_japanese_help.py")
    row = "tests/web/auth/test_matrix.py::test_every_operation_has_a_row"
    own = (f"tests/{JOB}", TESTS, "tests/test_catalog.py", "tests/operations/test_providers.py")
    chosen = f"not provider_contract or {PROVIDER} or every_provider"
    with planted.told(TASK), planted.told(PROVIDER):
        said = planted.run_tests(*own, *docs, *texts, row, *CONTRACTS, "-k", chosen)
    passed = re.findall(r"^(tests/\S+?)::(.*) PASSED", said, re.MULTILINE)
    assert (f"tests/{JOB}/test_{JOB}.py", "test_a_submitted_job_shows_its_result") in passed
    assert any(TASK in name for file, name in passed if file == "tests/test_catalog.py")
    assert len([file for file, _ in passed if file == TESTS]) == 5
    assert len([file for file, _ in passed if file in CONTRACTS]) > 50


def test_they_keep_the_rules_of_the_house(planted: Copy) -> None:
    folders = [f"src/kaboom/{JOB}", f"tests/{JOB}", FOLDER, TESTS, "tests/fixtures/providers"]
    for command in (("check",), ("format", "--check")):
        planted.run("-m", "ruff", *command, *folders, "src/kaboom/catalog.py", REGISTRY)
    # Without its cache mypy reads the types of all packages anew.
    if (cache := ROOT / ".mypy_cache").exists():
        shutil.copytree(cache, planted.root / cache.name)
    planted.run("-m", "mypy", f"src/kaboom/{JOB}", f"tests/{JOB}")
    planted.run("-c", "import sys; from importlinter.cli import lint_imports_command as lint; lint(['--no-logo'])")


def test_celery_workers_know_the_task(planted: Copy) -> None:
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


def test_swapped_fields_and_lost_symbols_break_the_contract(planted: Copy) -> None:
    provider = planted.root / FOLDER / "provider.py"
    whole = provider.read_text()
    swapped = 'schema={"date": pl.Date(), **values}).rename({"open": "close", "close": "open"})'
    lost = 'return SymbolOutcome(symbol, Outcome.INVALID, message="it is broken")\n    try:'
    spoilt = (
        ('schema={"date": pl.Date(), **values})', swapped, "test_each_field", "{'open': 1712.0} != {'open': 1710.0}"),
        ("try:", lost, "test_rows_have", "7203 invalid: it is broken"),
    )
    for old, new, test, said in spoilt:
        assert whole.count(old) == 1
        provider.write_text(whole.replace(old, new))
        assert said in planted.run_tests(CONTRACTS[1], "-k", f"{PROVIDER} and {test}", fails=True)
    provider.write_text(whole)
