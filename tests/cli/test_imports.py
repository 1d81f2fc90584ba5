"""The command line loads a command when it is called, and a library when it needs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kaboom.catalog import CATALOG
from kaboom.cli.index import INDEX
from kaboom.cli.main import load_command
from kaboom.jobs.model import Queue
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.stacks import Api

#: Of the API and of workers; each would cost 0.1 to 0.5 s of every call.
HEAVY = ("sqlalchemy", "fastapi", "redis", "polars", "numpy")
#: Tells on stderr what a call of the command line loaded.
PROBE = """
import sys
from kaboom.cli.main import run_cli
code = run_cli(sys.argv[1:])
print("loaded:", *sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


def loaded_by(*arguments: str, env: dict[str, str], folder: Path) -> set[str]:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "KABOOM_LANG": "en"} | env
    argv = [sys.executable, "-c", PROBE, *arguments]
    done = subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("loaded:")[2].split())


@pytest.mark.parametrize("arguments", [["--help"], ["jobs", "--help"], ["jobs", "list", "--help"]], ids=" ".join)
def test_help_loads_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    loaded = loaded_by(*arguments, env={}, folder=tmp_path)
    assert loaded.isdisjoint(HEAVY)


def test_help_loads_no_command(tmp_path: Path) -> None:
    loaded = loaded_by("--help", env={}, folder=tmp_path)
    assert loaded.isdisjoint(entry.target.partition(":")[0] for entry in INDEX.values())


@pytest.mark.parametrize(
    "arguments", [["jobs", "list"], ["providers"], ["workers"], ["alerts"], ["schedules", "list"]], ids=" ".join
)
def test_a_read_command_loads_nothing_heavy(live: Api, tmp_path: Path, arguments: list[str]) -> None:
    env = {"KABOOM_API_URL": live.url, "INGEST_API_TOKEN": TOKEN}
    loaded = loaded_by(*arguments, env=env, folder=tmp_path)
    assert "httpx2" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("name", INDEX)
def test_the_index_says_of_a_command_what_the_command_says(name: str) -> None:
    command = load_command(name)
    assert command.help.partition("\n\n")[0].replace("\n", " ") == INDEX[name].summary
    assert command.name == name


def test_every_queue_has_its_commands_and_its_jobs() -> None:
    assert {queue.path for queue in CATALOG.queues} == {queue.path for queue in Queue} <= set(INDEX)
