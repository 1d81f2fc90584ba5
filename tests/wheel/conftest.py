"""The wheel of this checkout, installed into an empty environment outside the clone."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kaboom.drivers.embedded.servers import free_port
from tests.fixtures.repo.repository import ROOT, find_files
from tests.fixtures.servers.servers import open_folder
from tests.fixtures.servers.stacks import Command, clean_environment, until

_UV = Path(sys.prefix) / "bin/uv"
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "src/kaboom/")


@dataclass(frozen=True)
class Installed:
    """Kaboom as `pip install` leaves it: no clone, no data folder."""

    folder: Path

    def run(self, *arguments: str, timeout_s: float = 60) -> Command:
        """Run `kaboom` in a folder that is empty at first."""
        return self._run("kaboom", *arguments, timeout_s=timeout_s)

    def run_python(self, code: str, *, timeout_s: float = 60) -> Command:
        """Run some Python there."""
        return self._run("python", "-c", code, timeout_s=timeout_s)

    @contextmanager
    def up(self) -> Iterator[None]:
        """Let `kaboom up` run there."""
        port = free_port()
        with (self.folder / "up.log").open("wb") as log:
            argv = ["kaboom", "up", f"--port={port}"]
            running = subprocess.Popen(
                argv, env=self._env, cwd=self._work, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            until(lambda: b"ready on" in (self.folder / "up.log").read_bytes(), bool, within_s=90)
            yield
        finally:
            running.terminate()
            running.wait(60)

    @property
    def _work(self) -> Path:
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        return work

    @property
    def _env(self) -> dict[str, str]:
        env = clean_environment(HOME=str(self.folder), PATH=f"{self.folder}/env/bin:{os.defpath}")
        env.pop("PYTHONPATH", None)
        return env

    def _run(self, *arguments: str, timeout_s: float) -> Command:
        done = subprocess.run(
            arguments, env=self._env, cwd=self._work, capture_output=True, text=True, timeout=timeout_s, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Command(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what git tracks: a `build` folder of an earlier build could hide a missing file."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in find_files():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(_SOURCES):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, source / name)
    _uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", target, source)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def uvx(wheel: Path) -> Iterator[Installed]:
    """A folder in which `kaboom` is what `uvx --from WHEEL[embedded] kaboom` runs: nothing is installed before."""
    with open_folder() as folder:
        (folder / "env/bin").mkdir(parents=True)
        command = folder / "env/bin/kaboom"
        lock = ROOT / "requirements-dev.lock"
        command.write_text(
            f"#!/bin/sh\nexec {_UV} tool run --isolated --python {sys.executable} --constraints {lock} "
            f"--from '{wheel}[embedded]' kaboom \"$@\"\n"
        )
        command.chmod(0o755)
        yield Installed(folder)


@pytest.fixture(scope="session")
def installed(wheel: Path) -> Iterator[Installed]:
    """The wheel, its `embedded` extra and its dependencies, with the versions and hashes of the lock."""
    with open_folder() as folder:
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (folder / "wheel.txt").write_text(f"kaboom-api[embedded] @ {wheel.as_uri()} --hash=sha256:{digest}\n")
        _uv("venv", "--python", sys.executable, folder / "env")
        python, lock = folder / "env/bin/python", ROOT / "requirements-dev.lock"
        _uv("pip", "install", "--python", python, "--require-hashes", "-r", folder / "wheel.txt", "-c", lock)
        yield Installed(folder)


def _uv(*arguments: str | Path) -> None:
    argv = [str(_UV), *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300, cwd="/")
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
