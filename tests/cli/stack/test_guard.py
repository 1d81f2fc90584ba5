"""The guard: ends the children of a killed supervisor, servers last, and nobody else's."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from kaboom.cli.stack import guard
from kaboom.cli.stack.data_folder import MARK
from kaboom.cli.stack.guard import end_marked
from tests.fixtures.servers.stacks import until

OURS, OTHERS = "8-15 42 1700000000.0", "8-15 43 1700000000.0"
#: Starts a child and its guard, says their pids, and waits.
SUPERVISOR = """
import os, signal, sys
from pathlib import Path
from kaboom.cli.stack.child import Child, ChildSpec
from kaboom.cli.stack.data_folder import mark_children
from kaboom.cli.stack.guard import guard_spec

data = Path(sys.argv[1])
mark = mark_children(data)
guard = Child(guard_spec(mark, data / "guard.log"))
argv = ("/bin/sh", "-c", 'trap "echo asked > asked; exit" TERM; echo > ready; while :; do sleep 0.02; done')
child = Child(ChildSpec("a", argv, data / "a.log", (data / "ready").exists, env=mark))
child.wait_ready()
(data / "pids").write_text(f"{guard.pid} {child.pid}")
signal.pause()
"""

#: Has no children, which would have its mark, and another name.
PROGRAM = """
import signal, sys, time
from pathlib import Path

def say(what):
    with Path(sys.argv[2]).open("a") as file:
        print(what, file=file)
    sys.exit()

signal.signal(signal.SIGINT, lambda *_: say("fast"))
signal.signal(signal.SIGTERM, lambda *_: eval(sys.argv[1]))
Path(sys.argv[3]).touch()
while True:
    signal.pause()
"""

type Start = Callable[..., psutil.Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a process with a mark, under the name of a program; kill it with the test."""
    made: list[subprocess.Popen[bytes]] = []

    def run(name: str, at_term: str, mark: str = OURS) -> psutil.Process:
        program, ready = tmp_path / name, tmp_path / f"{name}.{len(made)}"
        if not program.exists():
            program.symlink_to(Path(sys.executable).resolve())
        argv = (program, "-S", "-c", PROGRAM, at_term, tmp_path / "ended", ready)
        made.append(subprocess.Popen(argv, env=os.environ | {MARK: mark}, start_new_session=True))
        until(ready.exists, bool, within_s=20)
        return psutil.Process(made[-1].pid)

    yield run
    for process in made:
        process.kill()
        process.wait()


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_servers_end_last_and_postgres_by_its_fast_shutdown(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine a process may take seconds until it runs its handler.
    monkeypatch.setattr(guard, "_PATIENCE_S", {False: 30.0, True: 30.0})
    ended = tmp_path / "ended"
    start("postgres", "sys.exit()")
    start("valkey-server", "say('valkey')")
    start("worker", "time.sleep(0.3), say('worker')")
    end_marked(OURS)
    said = ended.read_text().split()
    assert said[0] == "worker"
    assert sorted(said[1:]) == ["fast", "valkey"]


def test_another_supervisors_children_are_left_alone(start: Start) -> None:
    ours, other = start("worker", "sys.exit()"), start("worker", "sys.exit()", OTHERS)
    assert end_marked(OURS) == 1
    assert not is_alive(ours)
    assert is_alive(other)


def test_a_process_that_does_not_listen_is_killed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_PATIENCE_S", {False: 0.2, True: 0.2})
    deaf = start("worker", "None")
    end_marked(OURS)
    assert not is_alive(deaf)


def test_a_killed_supervisors_child_is_asked_to_end_and_the_guard_ends(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    process = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(tmp_path)], cwd=tmp_path, start_new_session=True)
    try:
        pids = until(lambda: _numbers(tmp_path / "pids"), lambda found: len(found) == 2, within_s=20)
        family = [psutil.Process(pid) for pid in pids]
        assert all(map(is_alive, family))
    finally:
        # As the machine does when it has no memory left.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    until(lambda: [one for one in family if is_alive(one)], lambda left: not left, within_s=20)
    assert (tmp_path / "asked").exists()
    assert "orphans_ended" in (tmp_path / "guard.log").read_text()


def _numbers(path: Path) -> list[int]:
    return [int(text) for text in path.read_text().split()] if path.exists() else []
