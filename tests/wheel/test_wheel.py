"""The wheel is complete, and Kaboom runs from it without a clone."""

import zipfile
from pathlib import Path

import orjson
import pytest

from tests.fixtures.repo.repository import ROOT, find_files
from tests.wheel.conftest import Installed

pytestmark = pytest.mark.timeout(600)


def test_wheel_holds_every_tracked_file(wheel: Path) -> None:
    packages = ROOT / "src"
    names = {path.relative_to(packages).as_posix() for path in find_files() if path.is_relative_to(packages)}
    tracked = {name for name in names if name.startswith("kaboom/")}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == tracked
    assert {Path(name).suffix for name in held} >= {".py", ".lua", ".csv"}


_OWN = """
import os, pathlib
pathlib.Path("own/app").mkdir(parents=True)
os.chdir("own")
for name in ("batch.py", "app/__init__.py"):
    pathlib.Path(name).write_text("raise RuntimeError('this module is of the user')")
import kaboom
from kaboom.main import create_app
from kaboom.ingest.run_daily import run_daily_ingest
print(kaboom.connect.__name__)
"""


def test_it_works_beside_a_users_own_app_and_batch(installed: Installed) -> None:
    done = installed.run_python(_OWN)
    assert (done.code, done.out.strip()) == (0, "connect"), done.err


def test_wheel_names_no_path_of_this_machine(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        paths = [str(ROOT).encode(), str(Path.home()).encode() + b"/"]
        assert [n for n in archive.namelist() if any(path in archive.read(n) for path in paths)] == []


def test_demo_runs_from_the_installed_wheel(installed: Installed) -> None:
    done = installed.run("demo", "--exit", timeout_s=240)
    assert done.code == 0, f"{done.out}\n{done.err}"
    assert "COMPLETED" in done.out
    # The data folder lies where the command was run.
    assert (installed.folder / "work/.kaboom").is_dir()


def test_uvx_runs_the_demo_from_the_wheel(uvx: Installed) -> None:
    done = uvx.run("demo", "--exit", timeout_s=300)
    assert done.code == 0, f"{done.out}\n{done.err}"
    assert "COMPLETED" in done.out
    assert (uvx.folder / "work/.kaboom").is_dir()


def test_the_client_reads_what_the_demo_left(installed: Installed) -> None:
    # After the demo, which has stopped: without a server, from the data folder.
    code = """
import sys, kaboom
assert not {"polars", "numpy", "fastapi", "sqlalchemy"} & sys.modules.keys(), "an import of kaboom is light"
kb = kaboom.connect()
days = kb.bars("7203", "1d")
minutes = kb.bars(market="TSE_PRIME", interval="1m")
print(days.height > 200, minutes["symbol"].n_unique() > 1500, kb.universe("TSE_PRIME").height > 1600)
"""
    done = installed.run_python(code)
    assert (done.code, done.out.split()) == (0, ["True"] * 3), f"{done.out}\n{done.err}"


def test_the_notebook_runs_from_the_installed_wheel(installed: Installed) -> None:
    content = orjson.loads((ROOT / "docs/tutorial/first-day.ipynb").read_bytes())
    cells = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    with installed.up():
        done = installed.run_python("\n\n".join(cells), timeout_s=300)
    assert done.code == 0, f"{done.out}\n{done.err}"
    assert "nor investment advice" in done.out


def test_help_lists_the_commands(installed: Installed) -> None:
    done = installed.run("--help")
    assert (done.code, done.err) == (0, "")
    assert {"demo", "up", "ingest", "market-data"} <= set(done.out.split())


def test_what_needs_a_clone_is_refused(installed: Installed) -> None:
    done = installed.run("dev", "new", "job", "sample_count")
    assert done.code == 2
    assert "expected a clone" in done.err


def test_openapi_is_printed(installed: Installed) -> None:
    done = installed.run("openapi")
    assert done.code == 0, done.err
    assert "/api/v1/ingest/run-daily" in orjson.loads(done.out)["paths"]
