"""A copy of the repository, in which `kaboom dev new` plants a toy."""

import difflib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fixtures.repo.repository import ROOT, find_files


@dataclass(frozen=True)
class Copy:
    """A copy of the repository."""

    root: Path

    def run(self, *arguments: str, **environment: str) -> str:
        """Run Python on the copy's code, and return what it printed.

        Raises:
            CalledProcessError: its exit code was not 0.

        """
        done = self._start(*arguments, **environment)
        done.check_returncode()
        return done.stdout

    def run_tests(self, *arguments: str, fails: bool = False) -> str:
        """Run tests of the copy, which pass or, with `fails`, do not; return what pytest printed."""
        options = ("-v", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly")
        done = self._start("-m", "pytest", *options, *arguments)
        assert done.returncode == int(fails), done.stdout[-4000:] + done.stderr[-2000:]
        return done.stdout

    def _start(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "KABOOM_"))}
        paths = {"PYTHONPATH": f"{self.root}/src:{self.root}", "NO_COLOR": "1", "KABOOM_LANG": "en"}
        argv, env = [sys.executable, *arguments], kept | paths | environment
        return subprocess.run(argv, cwd=self.root, env=env, capture_output=True, text=True, check=False)

    @contextmanager
    def told(self, name: str) -> Iterator[None]:
        """Name something new in a change of its own, which its author writes by hand."""
        path = self.root / f"changes/{name}.added.md"
        path.write_text(f"`{name}`.\n")
        yield
        path.unlink()

    def changed(self) -> dict[str, int]:
        """Return the lines that differ, added and removed ones, of each file that the repository has, too."""
        return {name: n for name in self._files() if (ROOT / name).exists() and (n := self._count(name))}

    def added(self) -> list[str]:
        """Return the files that the repository does not have."""
        return [name for name in self._files() if not (ROOT / name).exists()]

    def _files(self) -> list[str]:
        skipped = ("__pycache__", "_cache", ".egg-info")
        files = (path for path in self.root.rglob("*") if path.is_file())
        names = (path.relative_to(self.root).as_posix() for path in files)
        return sorted(name for name in names if not any(part.endswith(skipped) for part in Path(name).parts))

    def _count(self, name: str) -> int:
        old, new = ((root / name).read_bytes() for root in (ROOT, self.root))
        if old == new:
            return 0
        lines = difflib.unified_diff(old.decode().splitlines(), new.decode().splitlines(), n=0, lineterm="")
        return sum(line[:1] in "+-" and not line.startswith(("+++", "---")) for line in lines)


def copy_product(into: Path) -> Copy:
    """Copy what is in the repository; return the copy."""
    # With byte code, which the times of the sources keep valid: to compile everything anew takes many seconds.
    byte_code = (path for room in ("src", "tests") for path in (ROOT / room).rglob("*.pyc"))
    for path in (*find_files(), *byte_code):
        target = into / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return Copy(into)
