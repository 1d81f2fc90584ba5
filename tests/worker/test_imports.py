"""Each process of a worker holds what its module loads, so it loads nothing that only the API needs."""

import subprocess
import sys
from pathlib import Path

from tests.fixtures.servers.stacks import clean_environment


def test_a_worker_loads_no_part_of_the_api_and_no_other_command_of_celery(tmp_path: Path) -> None:
    nowhere = {"REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    environment = clean_environment(**nowhere, KABOOM_DATA_DIR=str(tmp_path))
    heavy = {"alembic", "celery.bin.celery", "fastapi", "flower", "jinja2", "numpy", "polars", "prompt_toolkit"}
    heavy |= {"sqlalchemy", "tornado", "uvicorn"}
    code = f"import sys, kaboom.worker.__main__; print(', '.join(sorted({heavy!r} & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("\n", 0), done.stderr


def test_each_process_of_a_worker_has_one_polars_thread(tmp_path: Path) -> None:
    nowhere = {"REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    environment = clean_environment(**nowhere, KABOOM_DATA_DIR=str(tmp_path))
    environment.pop("POLARS_MAX_THREADS", None)
    code = "import kaboom.worker.celery_app, polars; print(polars.thread_pool_size())"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
