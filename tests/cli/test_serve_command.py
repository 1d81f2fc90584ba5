"""`kaboom serve` tunes its process before it serves."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.stacks import clean_environment

#: Instead of serving, it takes memory as an export does, and says how many MB it keeps.
PROGRAM = """
from concurrent.futures import ThreadPoolExecutor
import psutil, uvicorn
from kaboom.cli.run import serve

def export(_):
    for _ in range(10):
        parts = [bytes([1]) * (size << 20) for size in (30, 7, 15, 25)]
        del parts

def run(*_, **__):
    begin = psutil.Process().memory_info().rss
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(export, range(4)))
        print((psutil.Process().memory_info().rss - begin) >> 20)

uvicorn.run = run
serve()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_the_api_keeps_no_memory_of_large_answers(tmp_path: Path) -> None:
    settings = {"DISABLE_CELERY": "true", "DISABLE_REDIS": "true", "INGEST_API_TOKEN": TOKEN}
    env = clean_environment(KABOOM_DATA_DIR=str(tmp_path), **settings)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert int(done.stdout.splitlines()[-1]) < 20
