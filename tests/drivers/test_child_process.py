"""Child processes of untrusted input and of users' code: what they are given, and what is left of them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kaboom.drivers.child_process.command import build_command, build_environment

#: Runs code in a guarded child as on a system without namespaces.
GUARDED = """
import os, signal, sys, time
from kaboom.drivers.child_process import isolation

isolation.leave_machine = lambda: False

def work(is_isolated):
    assert not is_isolated
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.write(writable, str(os.getpid()).encode())
        time.sleep(600)
    os.waitpid(child, 0)
    print(os.read(readable, 20).decode(), flush=True)
    {end}

sys.exit(isolation.run_guarded(work, parent=os.getppid(), clean=lambda: print('cleaned', flush=True)))
"""


def run_guarded(end: str) -> tuple[int, int, str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", GUARDED.format(end=end)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as isolation:
        assert isolation.stdout
        orphan = int(isolation.stdout.readline())
        if "sleep" in end:
            isolation.send_signal(signal.SIGTERM)
        left = isolation.stdout.read()
    return isolation.returncode, orphan, left


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("return 0", 0),
        ("os._exit(7)", 7),
        ("raise ValueError", 1),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV),
        ("time.sleep(600)", -signal.SIGKILL),
    ],
)
def test_a_guard_ends_as_its_child_and_leaves_none_of_its_children(end: str, code: int) -> None:
    found, orphan, said = run_guarded(end)
    assert (found, said) == (code, "cleaned\n")
    assert not psutil.pid_exists(orphan)


def test_a_child_gets_the_allowed_variables_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_API_TOKEN", "a-secret")
    monkeypatch.setenv("PYTHONSTARTUP", "a-file")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("HOME", "/a-home")
    assert build_environment()["TZ"] == "Asia/Tokyo"
    assert build_environment()["HOME"] == "/a-home"
    given = build_environment(tmp_path)
    assert (given["HOME"], given["TMPDIR"]) == (str(tmp_path), str(tmp_path))
    assert not {"INGEST_API_TOKEN", "PYTHONSTARTUP"} & given.keys()


def test_a_child_does_not_import_from_its_working_folder(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('planted')")
    command = build_command("kaboom.pictures.process", "en")
    done = subprocess.run(
        command, cwd=tmp_path, env=build_environment(), input=b"no picture", capture_output=True, check=False
    )
    assert b"planted" not in done.stderr
    assert b"ValidationError" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_hidden_memory_is_not_readable_by_others() -> None:
    script = (
        "import ctypes; from kaboom.drivers.child_process.isolation import hide_memory; hide_memory();"
        " print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
