"""The wheel is complete, and Kaboom runs from it without a clone."""

import zipfile
from pathlib import Path

import orjson
import pytest

from tests.fixtures.repo.repository import ROOT, find_files
from tests.wheel.conftest import Installed

pytestmark = pytest.mark.timeout(600)


def test_wheel_holds_every_tracked_file(wheel: Path) -> None:
    packages = ROOT / "api"
    names = {path.relative_to(packages).as_posix() for path in find_files() if path.is_relative_to(packages)}
    tracked = {name for name in names if name.startswith(("app/", "batch/", "kaboom/"))}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == tracked
    assert {Path(name).suffix for name in held} >= {".py", ".lua", ".csv"}


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


def test_help_lists_the_commands(installed: Installed) -> None:
    done = installed.run("--help")
    assert (done.code, done.err) == (0, "")
    assert {"demo", "up", "ingest", "market-data"} <= set(done.out.split())


def test_openapi_is_printed(installed: Installed) -> None:
    done = installed.run("openapi")
    assert done.code == 0, done.err
    assert "/api/v1/ingest/run-daily" in orjson.loads(done.out)["paths"]
