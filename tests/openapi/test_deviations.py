"""A real API is asked what its description allows, and what it does not; both answers are as described."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.stacks import Api, clean_environment, serving, until

#: `make openapi` asks longer, and otherwise each time.
SECONDS = int(os.environ.get("OPENAPI_SECONDS", "10"))
LEAST_CASES = int(os.environ.get("OPENAPI_LEAST_CASES", "100"))
SEED = os.environ.get("OPENAPI_SEED", "20261127")


def ask(api: Api, folder: Path, *options: str) -> tuple[dict[str, Any], str]:
    """Run schemathesis against an API; return its report and what it printed."""
    report = folder / "report.json"
    config = Path(__file__).with_name("schemathesis.toml")
    argv = (sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run", f"{api.url}/openapi.json")
    done = subprocess.run(
        [*argv, "--header", f"x-ingest-token: {TOKEN}", "--seed", SEED, "--no-color", "--continue-on-failure",
         "--exclude-checks", "positive_data_acceptance", "--report-json-path", str(report), "--request-timeout", "15",
         "--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off", *options],
        cwd=folder, capture_output=True, text=True, check=False,
        env=clean_environment(
            SCHEMATHESIS_HOOKS="tests.openapi.hooks", PYTHONPATH=str(Path(__file__).parents[2])
        ),
    )  # fmt: skip
    assert report.exists(), done.stdout + done.stderr
    return json.loads(report.read_text()), done.stdout


@pytest.mark.timeout(SECONDS + 165)
def test_the_api_answers_as_its_description_says(tmp_path: Path, redis_url: str, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE jobs, idempotency_keys, webhook_deliveries, schedules CASCADE")
    servers = {
        "DISABLE_CELERY": "false",
        "DISABLE_REDIS": "false",
        "REDIS_URL": redis_url,
        "DATABASE_URL": database_url,
    }
    with serving(tmp_path / "data", **servers, KABOOM_LOG_LEVEL="WARNING") as api:
        # The first question loads polars, and on a busy machine gets 503 for it.
        until(lambda: api.http.get("/api/v1/bars/7203").status_code, lambda status: status == 200, within_s=60)
        # Chains of requests, which begin when everything else is done, are for the long run.
        phases = "examples,coverage,fuzzing" + (",stateful" if SECONDS > 60 else "")
        report, told = ask(api, tmp_path, "--max-examples", "1000", "--phases", phases, "--max-time", str(SECONDS))
        assert api.http.get("/healthz").status_code == 200
        log = (tmp_path / "data" / "api.log").read_text()
    # For `pytest -s`: how much was asked, and how to repeat it.
    sys.stdout.write(
        f"\n{report['test_cases']['generated']} cases, seed {SEED}, {len(report['failures'])} deviations\n"
    )
    assert "request_crashed" not in log, log
    assert report["failures"] == [], told
    assert report["test_cases"]["generated"] >= LEAST_CASES
