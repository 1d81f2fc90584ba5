"""What a release publishes: wheel, source and bill of materials, of the version that the tag and the changelog have."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import orjson
import pytest
import yaml

from tests.fixtures.repo.repository import ROOT, find_files, load_text

VERSION = tomllib.loads(load_text("pyproject.toml"))["project"]["version"]
_PARTS = ("Makefile", "pyproject.toml", "README.md", "LICENSE", "requirements.lock", "src/kaboom/")


def copy_sources(into: Path) -> Path:
    """Copy what a release is built of: what git tracks."""
    for path in find_files():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(_PARTS):
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, into / name)
    return into


def release_check(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run `make release-check` in a copy, with this venv."""
    venv = Path(sys.prefix)
    argv = ["make", "-o", str(venv / ".installed"), f"DEPLOY_VENV={venv}", "release-check"]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "NO_COLOR": "1"}
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)


def test_a_release_has_a_whole_wheel_its_source_and_a_bill_of_materials(tmp_path: Path) -> None:
    done = release_check(copy_sources(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    name = f"kaboom_api-{VERSION}"
    assert {path.name for path in (tmp_path / "dist").glob("[!.]*")} == {f"{name}-py3-none-any.whl", f"{name}.tar.gz"}
    tracked = {path.relative_to(ROOT / "src").as_posix() for path in find_files() if path.is_relative_to(ROOT / "src")}
    # `uv build` makes the wheel of the source, so that one tells that the other is whole.
    with zipfile.ZipFile(tmp_path / f"dist/{name}-py3-none-any.whl") as wheel:
        assert {file for file in wheel.namelist() if ".dist-info/" not in file} == tracked
    with tarfile.open(tmp_path / f"dist/{name}.tar.gz") as source:
        assert {f"{name}/src/{file}" for file in tracked} <= set(source.getnames())
    assert "kaboom/py.typed" in tracked
    bill = orjson.loads((tmp_path / "build/sbom.cdx.json").read_bytes())
    locked = set(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", load_text("requirements.lock"), re.MULTILINE))
    assert {(each["name"], each["version"]) for each in bill["components"]} == locked
    assert bill["metadata"]["component"]["version"] == VERSION


def test_a_description_that_pypi_cannot_show_is_refused(tmp_path: Path) -> None:
    project = copy_sources(tmp_path) / "pyproject.toml"
    project.write_text(project.read_text().replace('readme = "README.md"\n', ""))
    done = release_check(tmp_path)
    assert (done.returncode, "long_description" in done.stdout) == (2, True), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("tag", "section", "refused"),
    [
        (f"v{VERSION}", VERSION, ""),
        ("v9.9.9", VERSION, "pyproject.toml is not of version 9.9.9"),
        (f"v{VERSION}", "Unreleased", f"CHANGELOG.md has no section {VERSION}"),
    ],
)
def test_a_tag_of_another_version_is_refused(tag: str, section: str, refused: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(load_text("pyproject.toml"))
    (tmp_path / "CHANGELOG.md").write_text(f"## [{section}] - 2026-12-02\n")
    jobs = yaml.safe_load(load_text(".github/workflows/release.yml"))["jobs"]
    (script,) = [step["run"] for step in jobs["package"]["steps"] if step["name"].startswith("Refuse a tag")]
    env = {"PATH": os.environ["PATH"], "GITHUB_REF_NAME": tag}
    argv = ["bash", "-eo", "pipefail", "-c", script]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (int(bool(refused)), refused)
