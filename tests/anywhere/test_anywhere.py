"""`make demo` and `make test` in clones where running is hard: closed folders, odd paths, no HOME, a umask of 077."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kaboom.drivers.embedded.postgres_cluster import run_as
from tests.fixtures.repo.repository import ROOT, find_files
from tests.fixtures.servers.servers import open_folder
from tests.fixtures.servers.stacks import clean_environment

pytestmark = pytest.mark.timeout(3600)

#: For one call of make, on a busy machine.
MOST_S = 1500
ODD = "空白 と 日本語"
#: Tests that start servers, and tests that do not: named, since a clone would import all others to leave them out.
TESTS = "tests/market tests/market_data tests/schedules/test_ingested.py tests/acceptance/up/test_market_data.py"
#: A user that every Linux has, and whose home it cannot write.
PLAIN = "daemon"
IS_ROOT = os.geteuid() == 0
#: What a make above this test, or a shell, would pass on.
_FOREIGN = ("HOME", "MAKE", "MFLAGS", "ARGS", "VIRTUAL_ENV", "XDG_", "PYTHONPATH")
_UV = Path(sys.prefix) / "bin/uv"


@dataclass(frozen=True)
class Clone:
    """A clone, and the user who runs make in it; None for the user of the tests."""

    folder: Path
    user: str | None = None

    def make(self, *arguments: str, **variables: str) -> str:
        """Run make without HOME, under a umask of 077, and return its output; fail if it does."""
        env = {name: value for name, value in clean_environment().items() if not name.startswith(_FOREIGN)}
        env |= {"PATH": f"{self.folder}/bin:{os.environ['PATH']}"} | variables
        as_user = run_as(self.user, self.folder) if self.user else {"cwd": self.folder}
        with subprocess.Popen(
            ("make", *arguments), env=env, umask=0o077, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **as_user,
        ) as process:  # fmt: skip
            try:
                out = str(process.communicate(timeout=MOST_S)[0])
            except subprocess.TimeoutExpired:
                # Also what make has started.
                os.killpg(process.pid, signal.SIGKILL)
                raise
        assert process.returncode == 0, f"make {' '.join(arguments)} in {self.folder}\n{out[-8000:]}"
        return out


@contextmanager
def clone_in(folder: Path) -> Iterator[Path]:
    """Copy what git tracks to a folder with a space and Japanese in its name, with the modes of a umask of 077."""
    clone = folder / ODD
    for path in find_files():
        target = clone / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (clone / "bin").mkdir()
    # The uv that is there: the lane `setup` has tested how it is fetched.
    shutil.copy(_UV, clone / "bin/uv")
    subprocess.run(["chmod", "-R", "go=", str(clone)], check=True)
    yield clone


def check_demo_and_tests(clone: Clone) -> None:
    assert "COMPLETED" in clone.make("demo", "ARGS=--exit")
    assert " passed" in clone.make("test", f"T={TESTS}")


@pytest.mark.skipif(not IS_ROOT, reason="only root has a home that is closed to the user of PostgreSQL")
def test_demo_and_tests_run_as_root_in_its_closed_home() -> None:
    with tempfile.TemporaryDirectory(prefix=".kaboom-anywhere-", dir=pwd.getpwuid(0).pw_dir) as closed:
        assert Path(closed).stat().st_mode & 0o077 == 0
        with clone_in(Path(closed)) as folder:
            check_demo_and_tests(Clone(folder))


def test_demo_and_tests_run_as_a_plain_user() -> None:
    with open_folder() as place, clone_in(place) as folder:
        if not IS_ROOT:
            check_demo_and_tests(Clone(folder))
            return
        # Root installs, from the cache that only root can read; copies, since the files change their owner.
        Clone(folder).make("setup", PYTHON=find_python_of(PLAIN), UV_LINK_MODE="copy")
        subprocess.run(["chown", "-R", f"{PLAIN}:", str(folder)], check=True)
        check_demo_and_tests(Clone(folder, PLAIN))


def find_python_of(user: str) -> str:
    """Return a Python >= 3.12 that a user can run; the one of the tests may be in root's home."""
    code = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))"
    for path in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        found = str(Path(path).resolve())
        try:
            done = subprocess.run([found, "-c", code], check=False, capture_output=True, **run_as(user))
        except OSError:
            continue
        if done.returncode == 0:
            return found
    pytest.fail(f"no Python >= 3.12 with venv that {user} can run: on Debian `apt-get install python3-venv`")
