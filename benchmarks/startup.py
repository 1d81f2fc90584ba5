"""What importing the API costs, beside a naive service's imports, and how soon the command line answers.

Usage: python benchmarks/startup.py [--quick] [--json]

Each figure is that of a new process, the interpreter itself included, ours (`import kaboom.main`) and the peer
(fastapi, celery, pandas, redis) in turns. Ours is judged with what an image installs, `requirements.lock`, in an
environment that this makes (pip, half a minute); beside it stand the same with the ledger's driver, which loads when
the process opens PostgreSQL, and the one of development, where redis-py finds OpenTelemetry's SDK and loads it. Byte
code is cached, as in an image that was built properly; the first round compiles it into a folder of this run and is
shown apart, since a container without it pays that on each start. Of the command line it is the time until the first
byte of `kaboom --help`, and of commands that ask a running API. Exits with 1 when a goal is missed, or when the API
loaded what only workers need.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

from benchmarks.rig.results import Goal, keep_if_recording
from benchmarks.rig.stack import running

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
STATEMENT = "import kaboom.main"
OURS, DEVELOPMENT, PEER = STATEMENT, f"{STATEMENT}, development's extras", "import fastapi, celery, pandas, redis"
#: What every API with a PostgreSQL loads in addition, before it takes the first request.
SERVING = f"{STATEMENT}, ledger opened"
_OPEN = (
    "from kaboom.drivers.postgres.database import open_database;"
    " from kaboom.jobs.postgres.opening import open_history;"
    " open_database('postgresql://host/db', name='api', pool_size=8).open(open_history)"
)
#: What a worker or the ledger needs, and the import does not; each would cost 0.1 to 0.9 s of every cold start.
FORBIDDEN = ("polars", "pandas", "numpy", "celery", "sqlalchemy")
MOST_CPU_S = 1.0
MOST_MB = 90.0
HELP = ("--help",)
READS = (("jobs", "list"), ("providers",), ("schedules", "list"))
MOST_HELP_S, MOST_READ_S = 0.3, 0.6

#: Says what was spent, then waits, so that its memory can be read from outside.
_PROBE = """
import resource, sys
spent = resource.getrusage(resource.RUSAGE_SELF)
loaded = [name for name in sys.argv[1:] if name in sys.modules]
print(spent.ru_utime + spent.ru_stime, len(sys.modules), *loaded, flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Start:
    """One fresh interpreter: CPU seconds, resident megabytes, modules, and which forbidden ones."""

    cpu_s: float
    rss_mb: float
    modules: int
    forbidden: tuple[str, ...]


def install(folder: Path) -> Path:
    """Make an environment of what an image installs, and return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin/python"
    options = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "--only-binary", ":all:")
    subprocess.run([python, "-m", "pip", "install", *options, "-r", ROOT / "requirements.lock"], check=True)
    return python


def start(python: str | Path, statement: str, cache: Path) -> Start:
    """Run an import in a fresh interpreter."""
    # Whoever runs this may keep byte code from being written; this measures with it.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env |= {"PYTHONPATH": str(SOURCE), "PYTHONPYCACHEPREFIX": str(cache)}
    argv = [str(python), "-c", statement + _PROBE, *FORBIDDEN]
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        if not words:
            sys.exit(f"`{statement}` failed; its error is above")
        # From outside and of now: `ru_maxrss` would also count the parent's memory at the fork.
        rss_mb = psutil.Process(process.pid).memory_info().rss / 1e6
        process.communicate()
    return Start(float(words[0]), rss_mb, int(words[1]), tuple(words[2:]))


def measure(rounds: int) -> dict[str, list[Start]]:
    """Start each way in turns; the first of each compiles."""
    starts: dict[str, list[Start]] = {OURS: [], SERVING: [], DEVELOPMENT: [], PEER: []}
    with tempfile.TemporaryDirectory(prefix="kaboom-bench-") as name:
        folder = Path(name)
        image = install(folder / "image")
        ways: dict[str, tuple[str | Path, str]] = {
            OURS: (image, STATEMENT),
            SERVING: (image, f"{STATEMENT}; {_OPEN}"),
            DEVELOPMENT: (sys.executable, STATEMENT),
            PEER: (sys.executable, PEER),
        }
        for _ in range(rounds + 1):
            for way, (python, statement) in ways.items():
                starts[way].append(start(python, statement, folder / f"cache-{list(ways).index(way)}"))
    return starts


def time_commands(rounds: int) -> dict[str, float]:
    """Return the median seconds until commands print their first byte; they ask an API that is empty."""
    spent: dict[str, list[float]] = {" ".join(command): [] for command in (HELP, *READS)}
    with running() as bench:
        served = bench.serve("ours")
        env = bench.env | {"KABOOM_API_URL": f"http://127.0.0.1:{served.port}"}
        for _ in range(rounds + 1):
            for command in (HELP, *READS):
                begun_at = time.perf_counter()
                argv = [sys.executable, "-m", "kaboom.cli.main", "--json", *command]
                with subprocess.Popen(argv, env=env, cwd=bench.folder, stdout=subprocess.PIPE) as process:
                    assert process.stdout is not None
                    if not process.stdout.read(1):
                        sys.exit(f"`kaboom {' '.join(command)}` printed nothing")
                    spent[" ".join(command)].append(time.perf_counter() - begun_at)
                    process.stdout.read()
    # The first compiles.
    return {command: median(times[1:]) for command, times in spent.items()}


def build_report(starts: dict[str, list[Start]], commands: dict[str, float]) -> dict[str, Any]:
    """Return medians, goals and verdicts."""
    ways: dict[str, dict[str, Any]] = {
        way: {
            "cpu_s": median(s.cpu_s for s in measured),
            "rss_mb": median(s.rss_mb for s in measured),
            "modules": first.modules,
            "compiling": asdict(first),
        }
        for way, (first, *measured) in starts.items()
    }
    cpu_s, rss_mb = ways[OURS]["cpu_s"], ways[OURS]["rss_mb"]
    forbidden = sorted({name for s in starts[OURS] for name in s.forbidden})
    return {
        "ways": ways,
        "commands": commands,
        "rounds": len(starts[OURS]) - 1,
        "goals": [
            Goal("CPU, s", cpu_s, most=MOST_CPU_S),
            Goal("memory, MB", rss_mb, most=MOST_MB),
            Goal("loaded of " + ", ".join(FORBIDDEN), len(forbidden), most=0),
            *(_goal_of(command, seconds) for command, seconds in commands.items()),
        ],
    }


def _goal_of(command: str, seconds: float) -> Goal:
    most = MOST_HELP_S if command == " ".join(HELP) else MOST_READ_S
    return Goal(f"kaboom {command}, s", seconds, most=most)


def print_report(report: dict[str, Any]) -> None:
    """Print a table, goals and verdicts."""
    print(f"a fresh interpreter, median of {report['rounds']}\n")
    print(f"{'':40} {'CPU s':>7} {'RSS MB':>8} {'modules':>8} {'CPU s, compiling':>18}")
    for name, way in report["ways"].items():
        row = f"{way['cpu_s']:7.2f} {way['rss_mb']:8.0f} {way['modules']:8} {way['compiling']['cpu_s']:18.2f}"
        print(f"{name:40} {row}")
    print()
    for goal in report["goals"]:
        print(f"{goal.name:48} {goal.value:7.2f}   goal {goal.bound:6} {'ok' if goal.is_met else 'MISSED'}")


def main() -> int:
    """Measure, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 7")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    rounds = 3 if options.quick else 7
    report = build_report(measure(rounds), time_commands(rounds))
    rows = {
        way: {name: found[name] for name in ("cpu_s", "rss_mb", "modules")} for way, found in report["ways"].items()
    }
    keep_if_recording(rows, report["goals"])
    if options.json:
        print(json.dumps(report, indent=2, default=asdict))
    else:
        print_report(report)
    return 0 if all(goal.is_met for goal in report["goals"]) else 1


if __name__ == "__main__":
    sys.exit(main())
