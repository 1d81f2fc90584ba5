"""Who works on a data folder: found by a mark or by the folder, and nobody else is ended."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.session import Session
from kaboom.cli.stack.data_folder import MARK, end_orphans, find_workers_on, hold_lock, mark_children
from kaboom.drivers.embedded.run_file import identify_folder, read_run_file, write_run_file
from kaboom.errors import Conflict
from tests.fixtures.servers.stacks import until

#: Starts a process in its own session, waits until that has a child, and ends.
PARENT = """
import subprocess, sys
from pathlib import Path
from kaboom.cli.stack.data_folder import mark_children
import os
subprocess.Popen(["/bin/sh", "-c", "sleep 1000 & echo $! > pids; echo $$ >> pids; wait"], start_new_session=True,
    env=os.environ | mark_children(Path(sys.argv[1])))
"""

type Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that was locked once."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/lock").touch()
    return tmp_path / "data"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that does nothing, and end it with the test."""
    made: list[subprocess.Popen[bytes]] = []

    def run(mark: str = "", cwd: Path | None = None, program: str = "/bin/sleep") -> subprocess.Popen[bytes]:
        env = os.environ | ({MARK: mark} if mark else {})
        made.append(subprocess.Popen([program, "1000"], env=env, cwd=cwd, start_new_session=True))
        until(lambda: psutil.Process(made[-1].pid).cmdline(), lambda argv: argv[-1:] == ["1000"], within_s=5)
        return made[-1]

    yield run
    for process in made:
        process.kill()
        process.wait()


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_a_dead_supervisor_left_is_ended_whole(data: Path, tmp_path: Path) -> None:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", PARENT, str(data)], env=env, cwd=tmp_path, check=True)
    pids = until(lambda: _numbers(tmp_path / "pids"), lambda found: len(found) == 2, within_s=10)
    assert {process.pid for process in find_workers_on(data)} == {*pids}
    assert end_orphans(data) == 1
    assert [pid for pid in pids if is_alive(pid)] == []
    assert end_orphans(data) == 0


def test_the_children_of_a_copied_folders_original_are_left_alone(data: Path, start: Start, tmp_path: Path) -> None:
    write_run_file(data, {"children": [{"name": "valkey", "pid": start(f"{identify_folder(data)} 1 1.0").pid}]})
    subprocess.run(["cp", "-a", str(data), str(tmp_path / "copy")], check=True)
    assert read_run_file(tmp_path / "copy") == {}
    assert end_orphans(tmp_path / "copy") == 0
    assert len(find_workers_on(data)) == 1


def test_a_folder_that_was_moved_is_still_the_same(data: Path, start: Start, tmp_path: Path) -> None:
    write_run_file(data, {"pid": 1})
    process = start(f"{identify_folder(data)} 1 1.0")
    data.rename(tmp_path / "moved")
    assert read_run_file(tmp_path / "moved")["pid"] == 1
    assert [found.pid for found in find_workers_on(tmp_path / "moved")] == [process.pid]


def test_a_folder_that_was_made_again_is_another(data: Path, start: Start) -> None:
    start(f"{identify_folder(data)} 1 1.0")
    shutil.rmtree(data)
    data.mkdir()
    (data / "lock").touch()
    assert find_workers_on(data) == []


def test_a_supervisor_that_lives_keeps_its_children(data: Path, start: Start) -> None:
    child = start(mark_children(data)[MARK])
    with pytest.raises(Conflict, match=rf"a Kaboom already runs on .* \(pid {os.getpid()}\)"):
        end_orphans(data)
    assert child.poll() is None


def test_a_server_is_known_by_the_folder_that_it_works_in(data: Path, start: Start, tmp_path: Path) -> None:
    for folder in (data / "valkey", tmp_path / "other"):
        folder.mkdir()
    server = tmp_path / "valkey-server"
    shutil.copy("/bin/sleep", server)
    orphan = start(cwd=data / "valkey", program=str(server))
    others = [start(cwd=tmp_path / "other", program=str(server)), start(cwd=data / "valkey")]
    (tmp_path / "link").symlink_to(data)
    assert [found.pid for found in find_workers_on(tmp_path / "link")] == [orphan.pid]
    assert end_orphans(data) == 1
    assert not is_alive(orphan.pid)
    assert [process.poll() for process in others] == [None, None]


def test_a_lock_is_held_once_and_private(data: Path) -> None:
    (data / "lock").chmod(0o644)
    session = Session(language="en")
    with hold_lock(data, session):
        assert (data / "lock").stat().st_mode & 0o777 == 0o600
        with pytest.raises(CliError, match="a Kaboom already runs on") as raised:
            hold_lock(data, session)
        assert raised.value.code is Exit.CONFLICT
    hold_lock(data, session).close()


def test_who_holds_a_lock_is_told_with_its_address(data: Path) -> None:
    session = Session(language="en")
    with hold_lock(data, session):
        for run, told in (
            ({}, r"\(pid \?, starting\)"),
            ({"pid": 7, "api_url": "http://here"}, r"\(pid 7, http://here\)"),
        ):
            write_run_file(data, run)
            with pytest.raises(CliError, match=told):
                hold_lock(data, session)


def _numbers(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []
