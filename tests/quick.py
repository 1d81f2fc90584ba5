"""`make quick`: check what changed since a commit, and run the tests that mirror it."""

import argparse
import subprocess
import sys
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
TESTS = PurePosixPath("tests")
SOURCE = PurePosixPath("src/kaboom")
_BIN = Path(sys.executable).parent


def main() -> int:
    """Run the checks side by side, and return the first exit code that is not 0."""
    parser = argparse.ArgumentParser(prog="make quick")
    parser.add_argument("--since", default="", help="compare with this commit (default: HEAD, or its parent if clean)")
    paths = changed_paths(parser.parse_args().since)
    if not paths:
        sys.stdout.write("nothing has changed\n")
        return 0
    sys.stdout.write("".join(f"changed: {path}\n" for path in paths))
    return run_all(commands(paths))


def changed_paths(since: str) -> list[str]:
    """Return the files that differ from a commit, new ones too; in a clean tree those of the last commit."""
    paths = _git("diff", "--name-only", "--diff-filter=d", since or "HEAD") + _git(
        "ls-files", "-o", "--exclude-standard"
    )
    return sorted(paths or _git("diff", "--name-only", "--diff-filter=d", "HEAD~1"))


def commands(paths: list[str]) -> list[list[str]]:
    """Return the commands that check these files."""
    python = [path for path in paths if path.endswith(".py")]
    found: list[list[str]] = []
    if python:
        found += [
            ["ruff", "format", "--check", "--force-exclude", *python],
            ["ruff", "check", "--force-exclude", *python],
        ]
        found += [["mypy"], ["lint-imports", "--no-logo"]]
    if tests := mirrored_tests(paths):
        # Fewer files are done before other processes have begun.
        files = [file for test in tests for file in (ROOT / test).rglob("test_*.py")]
        spread = ["-n", "auto", "--dist", "loadfile"] if len(files) > 20 else []
        found.append(["pytest", "-q", *spread, *tests])
    return found


def run_all(argvs: list[list[str]]) -> int:
    """Run programs of the venv at the same time, and print what each said, in their order."""
    out = subprocess.PIPE
    running = [
        subprocess.Popen([_BIN / name, *rest], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, text=True)
        for name, *rest in argvs
    ]
    for argv, process in zip(argvs, running, strict=True):
        said, _ = process.communicate()
        sys.stdout.write(f"\n{' '.join(argv[:3])}\n{said}")
        sys.stdout.flush()
    return next((process.returncode for process in running if process.returncode), 0)


def mirrored_tests(paths: list[str]) -> list[str]:
    """Return the tests to run: a changed test itself, and the folder that mirrors the folder of any other file."""
    found = {target for path in paths if (target := _tests_of(PurePosixPath(path)))}
    # What a job type says of the functions of its feature.
    if any(PurePosixPath(path).match("src/kaboom/*/jobs.py") for path in paths):
        found.add(TESTS / "test_catalog.py")
    return sorted(str(one) for one in found if not any(parent in found for parent in one.parents))


def _tests_of(path: PurePosixPath) -> PurePosixPath | None:
    if path.is_relative_to(TESTS):
        return path if path.name.startswith("test_") and path.suffix == ".py" else None
    if path.parts[0] == "docs":
        return TESTS / "repo" / "docs"
    if not path.is_relative_to(SOURCE):
        return None
    return _mirror_of(TESTS / path.relative_to(SOURCE))


def _mirror_of(mirror: PurePosixPath) -> PurePosixPath | None:
    """Return the nearest of: a file or a folder of the same name, upwards."""
    for place in (mirror.with_suffix(""), *mirror.parents[: -len(TESTS.parts) - 1]):
        if (ROOT / place).is_dir():
            return place
        if (ROOT / (named := place.with_name(f"test_{place.name}.py"))).exists():
            return named
    return None


def _git(*command: str) -> list[str]:
    return subprocess.run(["git", *command], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
