"""What code of users gets in its process, and what becomes of a strategy that misbehaves."""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from kaboom.backtest.own.decisions import MOST_DECISIONS
from kaboom.backtest.own.process import StrategyLimits
from kaboom.backtest.strategies.files import load_strategy_file
from kaboom.drivers.stop import Stopped
from kaboom.errors import InvalidRequest, KaboomError, StrategyFailed
from tests.fixtures.backtest.own import opened, parsed, weights_of
from tests.fixtures.backtest.panels import random_panel
from tests.fixtures.repo.repository import ROOT

PANEL = random_panel(3)
IS_ISOLATED = not subprocess.run(
    ["unshare", "--net", "--pid", "--mount", "--ipc", *([] if os.geteuid() == 0 else ["--user"]), "true"],
    check=False,
    capture_output=True,
).returncode
needs_namespaces = pytest.mark.skipif(not IS_ISOLATED, reason="this system allows no namespaces")
not_beside_its_code = pytest.mark.skipif(
    ROOT.is_relative_to(tempfile.gettempdir()),
    reason="the folder of temporary files stays as it is where it has the code",
)


def failure_of(folder: Path, source: str, **options: Any) -> KaboomError:
    with (
        pytest.raises(KaboomError) as failed,
        parsed(folder, source, **options) as strategy,
    ):
        strategy.targets(PANEL)  # type: ignore[union-attr]
    return failed.value


def forging(sent: str) -> tuple[str, ...]:
    """Return the lines that send bytes to the worker, and end the process."""
    return (
        "import os, stat, struct, orjson",
        "sockets = [n for n in range(3, 4096) if os.path.exists(f'/proc/self/fd/{n}')]",
        "(wire,) = [n for n in sockets if stat.S_ISSOCK(os.fstat(n).st_mode)]",
        f"os.write(wire, {sent})",
        "os._exit(0)",
    )


#: Of the environment; polars sets the one with an underscore.
ALLOWED = {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME"}
ALLOWED |= {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "POLARS_MAX_THREADS", "_RJEM_MALLOC_CONF", "MPLCONFIGDIR"}
#: Places that a strategy may not write, and those that it may.
FOREIGN = [str(Path(folder) / "planted") for folder in (ROOT, sys.prefix, Path.home())]
PLACES = [*FOREIGN, "/proc/self/oom_score_adj", "/proc/sys/kernel/core_pattern", "/dev/null", "own"]
HIDDEN = ROOT / "docs"  # anything that is not its code


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a strategy finds in its process, which it tells as JSON in its error."""
    folder = tmp_path_factory.mktemp("reported")
    (folder / "run.json").write_text("the token")
    paths = "[f'/proc/self/fd/{n}' for n in os.listdir('/proc/self/fd')]"
    lines = (
        "import json, os, socket",
        f"found = {{'environment': sorted(set(os.environ) - {ALLOWED})}}",
        f"found['open'] = [os.readlink(path) for path in {paths} if os.path.exists(path)]",
        "open('left', 'w').write('x')",
        "found['folder'] = [os.getcwd(), os.listdir('.')]",
        "found['rights'] = [l for l in open('/proc/self/status') if l[:6] in ('CapPrm', 'CapEff', 'NoNewP')]",
        "found['processes'] = [n for n in os.listdir('/proc') if n.isdigit()]",
        f"found['files'] = os.listdir({str(HIDDEN)!r}) + os.listdir({tempfile.gettempdir()!r}) + os.listdir('/run')",
        "found['networks'] = [n for _, n in socket.if_nameindex()]",
        "found['written'] = []",
        f"for place in {PLACES}:",
        "    try: os.close(os.open(place, os.O_WRONLY | (os.O_CREAT if place[:2] not in ('/p', '/d') else 0)))",
        "    except OSError: continue",
        "    found['written'].append(place)",
        # An error is cut off after 1,500 characters.
        "found = {name: values[:9] for name, values in found.items()}",
        "raise ValueError('<' + json.dumps(found) + '>')",
    )
    limits = StrategyLimits(memory_mb=4096, timeout_s=60, hidden=(HIDDEN,))
    with pytest.MonkeyPatch.context() as patch, (folder / "secret").open("w") as open_here:
        os.set_inheritable(open_here.fileno(), True)  # noqa: FBT003  its only form
        for name in ("INGEST_API_TOKEN", "DATABASE_URL", "REDIS_URL", "KABOOM_ANYTHING", "AWS_SECRET"):
            patch.setenv(name, "a-secret")
        error = failure_of(folder, weights_of(*lines), limits=limits)
    found: dict[str, Any] = json.JSONDecoder().raw_decode(error.message.split("<", 1)[1])[0]
    return found


def test_its_environment_has_no_settings(reported: dict[str, Any]) -> None:
    assert reported["environment"] == []


def test_it_has_no_open_file_but_its_socket(reported: dict[str, Any]) -> None:
    sockets = [name for name in reported["open"] if name.startswith("socket:")]
    assert len(sockets) == 1
    assert set(reported["open"]) - set(sockets) <= {"/dev/null"}


def test_it_works_in_an_empty_folder_of_its_own_that_is_removed(reported: dict[str, Any]) -> None:
    folder, files = reported["folder"]
    assert files == ["left"]
    assert not Path(folder).exists()


def test_it_has_no_rights_and_cannot_get_any(reported: dict[str, Any]) -> None:
    assert [int(line.split()[1], 16) for line in reported["rights"]] == [0, 0, 1]


@needs_namespaces
@not_beside_its_code
def test_it_sees_no_other_process_no_network_and_no_data(reported: dict[str, Any]) -> None:
    assert (reported["processes"], reported["networks"]) == (["1"], ["lo"])
    assert [name for name in reported["files"] if not name.startswith("kaboom-strategy-")] == []


@needs_namespaces
@not_beside_its_code
def test_it_writes_to_no_file_but_those_of_its_folder(reported: dict[str, Any]) -> None:
    assert reported["written"] == ["/dev/null", "own"]
    assert not any(Path(each).exists() for each in FOREIGN)


@pytest.mark.parametrize(
    ("source", "kind", "says"),
    [
        (weights_of("return np.ones(10 * 2**27)"), StrategyFailed, "needed more than 4,096 MiB of memory"),
        (
            weights_of("return panel.prices[99]"),
            StrategyFailed,
            r"IndexError: .* \(mine.py:6 in targets: return",
        ),
        (weights_of("os = __import__('os')", "os._exit(3)"), StrategyFailed, "ended with exit code 3"),
        (weights_of("raise SystemExit(0)"), StrategyFailed, "strategy mine failed: SystemExit: 0"),
        (weights_of("import ctypes", "ctypes.string_at(0)"), StrategyFailed, "crashed with SIGSEGV"),
        (weights_of("import os", "os.closerange(3, 4096)"), StrategyFailed, "ended with exit code"),
        (weights_of("open('x', 'wb').write(bytes(1 << 27))"), StrategyFailed, "File too large"),
        ("import nothing_like", InvalidRequest, "could not be loaded: ModuleNotFoundError: .*mine[.]py:1 in <module>"),
        ("x = (", InvalidRequest, r"could not be loaded: SyntaxError: .*\(mine.py, line 1\)$"),
        ("x = 1", InvalidRequest, "has no class Strategy"),
        ("raise SystemExit(3)", InvalidRequest, r"could not be loaded: SystemExit: 3 \(mine[.]py:1 in <module>"),
    ],
)
def test_a_failure_says_its_cause(tmp_path: Path, source: str, kind: type[KaboomError], says: str) -> None:
    error = failure_of(tmp_path, source)
    assert type(error) is kind
    assert re.search(says, error.message), error.message


def test_weights_that_cannot_be_are_refused_and_the_next_are_taken(tmp_path: Path) -> None:
    refused = {
        "np.full((3, 3), 0.1)": r"targets had shape \(3, 3\), expected \(60, 4\)",
        "np.full((2, 60, 4), 0.1)": "targets had shape",
        "np.full(panel.shape, np.inf)": "beyond 10 times the equity",
        "[['a'] * 4] * 60": "targets returned a list, expected a numpy array",
        "None": "targets returned None, expected a numpy array",
    }
    choices = ", ".join(f"lambda panel: {each}" for each in (*refused, "np.full(panel.shape, 0.25)"))
    source = weights_of(f"return ({choices})[self.choice](panel)").replace(
        "    def targets", "    def __init__(self, choice=0):\n        self.choice = choice\n\n    def targets"
    )
    with opened(tmp_path, source) as kind:
        for choice, says in enumerate(refused.values()):
            with pytest.raises(InvalidRequest, match=says):
                kind.parse({"choice": choice}).targets(PANEL)  # type: ignore[union-attr]
        assert (kind.parse({"choice": len(refused)}).targets(PANEL) == 0.25).all()  # type: ignore[union-attr]


def test_a_loop_without_end_ends_with_the_name_of_its_limit(tmp_path: Path) -> None:
    error = failure_of(tmp_path, weights_of("while True: pass"), limits=StrategyLimits(memory_mb=4096, timeout_s=2))
    assert error.message == "strategy mine took more than 2 s, the limit of KABOOM_STRATEGY_TIMEOUT_S"


def test_a_killed_process_is_a_failure_that_says_so(tmp_path: Path) -> None:
    with parsed(tmp_path, weights_of("while True: pass")) as strategy:
        pid = strategy.asked.process.pid  # type: ignore[union-attr]
        threading.Timer(0.2, psutil.Process(pid).kill).start()
        with pytest.raises(StrategyFailed, match="was killed: the machine or its container has too little memory"):
            strategy.targets(PANEL)  # type: ignore[union-attr]


def test_what_it_prints_is_no_answer(tmp_path: Path) -> None:
    noise = ("import os, sys", "os.write(1, b'x' * 99_999)", "sys.stderr.write('y' * 99_999)", "print('z' * 99_999)")
    with parsed(tmp_path, weights_of(*noise, "return np.full(panel.shape, 0.25)")) as strategy:
        assert (strategy.targets(PANEL) == 0.25).all()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "sent",
    [
        "b'\\xff' * 999",
        "b'\\x05\\0\\0\\0[1,2]'",
        "struct.pack('<I', 99) + orjson.dumps({'words': {}, 'arrays': [['|O', [1]]]}).ljust(99)",
        "struct.pack('<I', 99) + orjson.dumps({'words': {}, 'arrays': [['<f8', [1 << 40]]]}).ljust(99)",
        "struct.pack('<I', 99) + orjson.dumps({'words': {}, 'arrays': [['<f8', [-1, 8]]]}).ljust(99)",
        "struct.pack('<I', 99) + orjson.dumps({'words': {}, 'arrays': []}).ljust(99)",
        "struct.pack('<I', 99) + orjson.dumps({'words': {}, 'arrays': [['<i8', [0]]]}).ljust(99)",
    ],
)
def test_a_forged_answer_is_refused(tmp_path: Path, sent: str) -> None:
    error = failure_of(tmp_path, weights_of(*forging(sent)))
    assert "sent data that cannot be read" in error.message


@pytest.mark.parametrize(("more", "says"), [(0, "ended with exit code 0"), (1, "cannot be read: the arrays had")])
@pytest.mark.parametrize("do", ["targets", "decisions"])
def test_an_answer_is_as_large_as_its_panel_needs_and_no_larger(tmp_path: Path, do: str, more: int, says: str) -> None:
    # The process ends after the head of its answer: an allowed one is then waited for.
    bars, symbols = PANEL.shape
    shapes = [[bars, symbols], [more]] if do == "targets" else [[MOST_DECISIONS, 10], [bars, 2], [more]]
    head = {"words": {}, "arrays": [["<f8", shape] for shape in shapes]}
    lines = forging(f"struct.pack('<I', len(orjson.dumps({head}))) + orjson.dumps({head})")
    if do == "targets":
        assert says in failure_of(tmp_path, weights_of(*lines)).message
        return
    source = "class Strategy:\n    def prepare(self, panel): pass\n    def on_bar(self, context):\n"
    with parsed(tmp_path, source + "".join(f"        {line}\n" for line in lines)) as strategy:
        with pytest.raises(StrategyFailed) as failed:
            strategy.prepare(PANEL)  # type: ignore[union-attr]
        assert says in failed.value.message


def test_no_process_of_its_own_is_left(tmp_path: Path) -> None:
    forks = (
        "import os, time",
        "child = os.fork()",
        "if child == 0:",
        "    os.setsid()",
        "    if os.fork(): os._exit(0)",
        "    time.sleep(600)",
        "os.waitpid(child, 0)",
        "return np.zeros(panel.shape)",
    )
    with parsed(tmp_path, weights_of(*forks)) as strategy:
        strategy.targets(PANEL)  # type: ignore[union-attr]
        guard = psutil.Process(strategy.asked.process.pid)  # type: ignore[union-attr]
        family = [guard, *guard.children(recursive=True)]
        assert len(family) == 3
    assert psutil.wait_procs(family, timeout=20)[1] == []


def test_it_ends_with_a_killed_worker(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.fixtures.backtest.own import *;"
        " from tests.fixtures.backtest.panels import random_panel\n"
        "with parsed(Path(sys.argv[1]), weights_of('while True: pass')) as strategy:\n"
        "    print(strategy.asked.process.pid, flush=True)\n"
        "    strategy.targets(random_panel(3))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout
        pid = next(int(line) for line in worker.stdout if line.strip().isdecimal())
        guard = psutil.Process(pid)
        family = [guard, *guard.children(recursive=True)]
        worker.kill()
    assert len(family) == 2
    assert psutil.wait_procs(family, timeout=20)[1] == []
    assert list(tmp_path.glob("kaboom-strategy-*")) == []


def test_a_cancel_ends_it_in_the_middle(tmp_path: Path) -> None:
    stop = threading.Event()
    with parsed(tmp_path, weights_of("while True: pass"), should_stop=stop.is_set) as strategy:
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(Stopped):
            strategy.targets(PANEL)  # type: ignore[union-attr]


def test_a_closed_process_ends_the_answer_that_another_thread_waits_for(tmp_path: Path) -> None:
    with parsed(tmp_path, weights_of("while True: pass")) as strategy:
        process = strategy.asked.process  # type: ignore[union-attr]
        threading.Timer(0.2, process.close).start()
        with pytest.raises(Stopped):
            strategy.targets(PANEL)  # type: ignore[union-attr]
        with pytest.raises(Stopped):
            process.ask({"do": "parse", "parameters": {}})
        with pytest.raises(Stopped):
            process.start()


def test_the_same_file_loads_in_the_process_of_a_person(tmp_path: Path) -> None:
    source = weights_of("return np.full(panel.shape, 0.5)")
    with opened(tmp_path, source) as kind:
        assert kind.digest == load_strategy_file(tmp_path / "mine.py").digest


def test_a_process_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaboom.backtest.own.process._PROGRAM", "kaboom.backtest.own.no_such_program")
    with pytest.raises(StrategyFailed) as failed, parsed(tmp_path, weights_of("return 1")):
        pass
    assert failed.value.message.startswith("the process of strategy mine did not start: ")
    assert "No module named kaboom.backtest.own.no_such_program" in failed.value.message
