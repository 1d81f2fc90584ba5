"""`python -m tests.faults.promises`: run every fault, and write what was measured as a page."""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psutil

from tests.faults.lab.measure import RESULTS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/operations/promises.md"
HERE = Path(__file__).parent
#: The row of what is told of the run itself.
RUN = "run"
_HEAD = """# What was promised, and what was measured

Written by `make faults-full`; never by hand. Each line is one test of
[the proving ground](../../tests/faults/README.md), after which an auditor compared the API's answers, the ledger,
Redis and the stored bars with an undisturbed run.
"""


def main() -> int:
    """Run the tests and the simulation, and write the page where all of them passed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="seeds of the simulation")
    parser.add_argument("--soak-s", type=float, default=300.0, help="length of the soak")
    parser.add_argument("--from", dest="results", type=Path, help="only write the page, from an earlier run's results")
    options = parser.parse_args()
    if options.results:
        PAGE.write_text(render(load(options.results)), encoding="utf-8")
        return 0
    results = Path(tempfile.gettempdir()) / f"kaboom-faults-{os.getpid()}.jsonl"
    note(results, RUN, about())
    begun_at = time.monotonic()
    codes = [run_tests(results, options.soak_s), simulate(results, options.seeds)]
    note(results, RUN, {"took_min": round((time.monotonic() - begun_at) / 60, 1)})
    sys.stdout.write(f"results: {results}\n")
    if any(codes):
        return 1
    PAGE.write_text(render(load(results)), encoding="utf-8")
    return 0


def run_tests(results: Path, soak_s: float) -> int:
    """Run every test one after another, the full ones too, and return pytest's exit code."""
    environment = os.environ | {RESULTS: str(results), "KABOOM_FAULTS_SOAK_S": str(soak_s)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(HERE)], env=environment, cwd=ROOT, check=False
    ).returncode


def note(results: Path, row: str, measured: Mapping[str, Any]) -> None:
    """Add a line to the results."""
    with results.open("ab") as file:
        file.write(orjson.dumps({"row": row, "promise": "", "measured": measured}) + b"\n")


def simulate(results: Path, seeds: int) -> int:
    """Run the simulation, where there is one, and keep its last line among the results."""
    if not (HERE / "simulation/__main__.py").exists():
        return 0
    argv = [sys.executable, "-m", "tests.faults.simulation", "--seeds", str(seeds)]
    done = subprocess.run(argv, check=False, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0 and lines:
        measured = orjson.loads(lines[-1])
        line = {"row": "simulation", "promise": "seeded simulation", "test": "simulation", "measured": measured}
        with results.open("ab") as file:
            file.write(orjson.dumps(line) + b"\n")
    return done.returncode


def load(results: Path) -> list[dict[str, Any]]:
    """Return the measurements of a run, in the order of the list of faults."""
    lines = [orjson.loads(line) for line in results.read_bytes().splitlines() if line]
    return sorted(lines, key=lambda line: (not line["row"][0].isdigit(), line["row"].rjust(4), line["promise"]))


def about() -> dict[str, Any]:
    """Return when, on what and on which code the run was."""
    git = ("git", "describe", "--always", "--dirty", "--exclude", "*")
    commit = subprocess.run(git, check=False, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit or "unknown",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "python": platform.python_version(),
    }


def render(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the page: what is known of the run, and a table of what its tests noted."""
    facts = "\n".join(f"- {n}: {v}" for line in lines if line["row"] == RUN for n, v in line["measured"].items())
    tests = [line for line in lines if line["row"] != RUN]
    rows = "\n".join(f"| {line['row']} | {line['promise']} | {_words(line['measured'])} |" for line in tests)
    table = f"| row | what | measured |\n|---|---|---|\n{rows}"
    return f"{_HEAD}\n{facts}\n- audits: passed after every test; measurements: {len(tests)}\n\n{table}\n"


def _words(measured: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in measured.items())


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}" if value >= 1 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    sys.exit(main())
