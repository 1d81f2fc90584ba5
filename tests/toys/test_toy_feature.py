"""One more kind of job is one folder and one line: everything else about it follows from its job type."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.fixtures.repo.repository import ROOT

HERE = Path(__file__).parent
LINE = "from kaboom.toydigest.jobs import TOY_DIGEST\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product with the toy feature: its folder, and its line in the catalog."""
    root = tmp_path_factory.mktemp("toy")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src/kaboom", root / "kaboom", ignore=ignored)
    shutil.copytree(HERE / "feature/toydigest", root / "kaboom/toydigest")
    catalog = root / "kaboom/catalog.py"
    first = "from kaboom.ingest.jobs import"
    catalog.write_text(catalog.read_text().replace(first, LINE + first))
    return root


@pytest.fixture(scope="module")
def seen(tree: Path) -> dict[str, Any]:
    """What users of the feature see."""
    done = run(tree, str(HERE / "drive_digest.py"), str(tree / "data"))
    seen: dict[str, Any] = orjson.loads(done)
    return seen


def run(tree: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONPATH": str(tree), "NO_COLOR": "1", "COLUMNS": "120", "REDIS_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=tree, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_submitted_digest_runs_and_shows_its_result(seen: dict[str, Any]) -> None:
    job = seen["job"]
    assert (job["status"], job["task"]) == ("completed", "notifications.toy_digest")
    assert (job["result"]["with_bars"], job["result"]["first"]) == (3, ["1301", "1332"])
    assert job["result"]["symbols"] > 1000


def test_a_bad_request_is_refused(seen: dict[str, Any]) -> None:
    assert seen["refused"] == [[422, "#/names"], [422, "#/market"]]


def test_a_retry_is_the_whole_request_again(seen: dict[str, Any]) -> None:
    parent, retried = seen["job"], seen["retried"]
    assert retried["job_id"] != parent["job_id"]
    assert (retried["status"], retried["task"]) == ("completed", "notifications.toy_digest")
    assert retried["request"] == parent["request"] == {"market": "TSE_PRIME", "names": 2, "provider": "synthetic"}


def test_a_schedule_may_hold_it(seen: dict[str, Any]) -> None:
    assert seen["schedule"]["request"] == {"market": "TSE_PRIME", "names": 5, "provider": "synthetic"}


def test_its_queue_has_all_job_routes_and_statistics(seen: dict[str, Any]) -> None:
    assert len([path for path in seen["paths"] if "/jobs" in path or path.endswith("/toy-digest")]) == 10
    assert seen["stats"]["queue"] == "notifications"
    assert seen["job"]["job_id"] in [job["job_id"] for job in seen["listed"]]


def test_the_command_line_has_a_command_with_its_options(tree: Path) -> None:
    shown = run(tree, "-m", "kaboom.cli.main", "notifications", "toy-digest", "--help")
    assert "Describe a market in a few words" in shown
    assert "--names" in shown
    assert "symbols to name" in shown


def test_celery_workers_know_its_tasks(tree: Path) -> None:
    code = "from kaboom.worker.celery_app import celery_app; print(*(n for n in celery_app.tasks if 'notifi' in n))"
    assert {"notifications.chunk", "notifications.deliver", "notifications.toy_digest"} <= {
        *run(tree, "-c", code).split()
    }
