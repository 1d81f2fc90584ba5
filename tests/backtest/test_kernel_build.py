"""Compiling the kernel: once for all processes, in a folder that nobody else can write to."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from kaboom.backtest.engine import kernel_build
from kaboom.backtest.engine.kernel_build import PROGRAM, build_kernel, kernel_lock, program_command
from kaboom.backtest.engine.kernel_cache import digest, is_built, kernel_folder, mark_built
from kaboom.drivers.stop import Stopped
from tests.fixtures.servers.stacks import until

CACHE = "NUMBA_CACHE_DIR"
#: Calls each entry of the kernel, and prints how often its machine code was found and how often it was compiled.
USES = (
    "from kaboom.backtest.model import FillModel\n"
    "from kaboom.backtest.run import run_weights\n"
    "from kaboom.backtest.signals import weights_on_change\n"
    "from kaboom.backtest.strategies.registry import SmaCross\n"
    "from kaboom.backtest.study.made_up import make_panel\n"
    "from kaboom.backtest.sweep import run_sweep\n"
    "panel = make_panel()\n"
    "run_weights(panel, SmaCross(stop_loss=0.1, side='both'), FillModel(), cash=1e6, engine='numba')\n"
    "run_weights(panel.read_only, SmaCross(), FillModel(has_limits=False), cash=1e6, engine='numba')\n"
    "run_sweep(panel.until(500), [SmaCross(), SmaCross()], FillModel(), cash=1e6, engine='numba')\n"
    "from kaboom.backtest.engine import kernel\n"
    "for entry in (kernel.run_entry, kernel.sweep_entry, kernel.weigh_compiled):\n"
    "    print(len(entry.stats.cache_hits), len(entry.stats.cache_misses))"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of machine code, empty; this process has not loaded any."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(kernel_build, "_KERNEL", "not.loaded")
    found = kernel_folder()
    assert found == tmp_path / "cache" / "kaboom"
    yield found
    # It may be of other sources or of another processor.
    digest.cache_clear()


@contextmanager
def program() -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(program_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def is_locked(folder: Path) -> bool:
    with (folder / "kernel.lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def hits_and_misses() -> list[str]:
    """Let a process of its own call each entry of the kernel; return what each found."""
    done = subprocess.run([sys.executable, "-c", USES], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_runs_use_the_machine_code_that_is_kept() -> None:
    # `make setup` has compiled it.
    build_kernel()
    folder = kernel_folder()
    assert folder is not None
    assert is_built(folder)
    assert hits_and_misses() == ["1 0"] * 3


def test_a_killed_compiler_leaves_no_lock(folder: Path) -> None:
    with program() as process:
        until(lambda: (folder / "kernel.lock").exists() and is_locked(folder), bool, within_s=30)
        process.kill()
        process.wait(10)
        assert not is_locked(folder)
    assert not is_built(folder)


def test_the_compiler_ends_with_the_process_that_started_it(folder: Path) -> None:
    with kernel_lock(folder), program() as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 1


def test_a_stop_ends_the_wait_and_the_compiler(folder: Path) -> None:
    asked = iter(range(10))
    with kernel_lock(folder), pytest.raises(Stopped), structlog.testing.capture_logs() as logs:
        build_kernel(lambda: next(asked) == 3)
    assert [line["event"] for line in logs] == ["kernel_compiling"]
    assert not subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", PROGRAM], check=False, capture_output=True).stdout


def test_a_compiler_that_fails_is_reported_and_not_fatal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_build, "PROGRAM", "batch.no_such_program")
    with structlog.testing.capture_logs() as logs:
        build_kernel()
    assert [(line["event"], line["log_level"]) for line in logs][1:] == [("kernel_not_kept", "warning")]
    assert not is_built(folder)


def test_what_is_compiled_is_not_compiled_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark_built(folder)
    with structlog.testing.capture_logs() as logs:
        build_kernel()
        monkeypatch.setattr(kernel_build, "is_built", lambda _: False)
        monkeypatch.setattr(kernel_build, "_KERNEL", "sys")
        build_kernel()
    assert logs == []
    (folder / "kernel.built").write_text("of another source")
    assert not is_built(folder)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_can_write_to_is_not_trusted(folder: Path, mode: int) -> None:
    mark_built(folder)
    folder.chmod(mode)
    assert kernel_folder() is None
    folder.chmod(0o755)
    assert kernel_folder() == folder
    # Whoever can write to the folder above can put another one in its place.
    folder.parent.chmod(mode)
    assert kernel_folder() is None


def test_the_kernel_loads_no_machine_code_from_such_a_folder(folder: Path) -> None:
    """Numba unpickles it, so a planted file would run."""
    folder.chmod(0o777)
    code = "from kaboom.backtest.engine import kernel; print(kernel.run_entry._cache.cache_path)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "None"
    folder.chmod(0o700)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(folder)


def test_built_code_of_an_image_is_used_before_an_empty_cache(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CACHE)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    beside, own = tmp_path / "__pycache__", tmp_path / "user" / ".cache" / "kaboom" / "kernel"
    monkeypatch.setattr("kaboom.backtest.engine.kernel_cache._ENGINE", tmp_path)
    assert kernel_folder() == beside
    # The root user may write everywhere.
    monkeypatch.setattr("kaboom.backtest.engine.kernel_cache.os.access", lambda place, _mode: place != beside)
    assert kernel_folder() == own
    assert own.stat().st_mode & 0o777 == own.parent.stat().st_mode & 0o777 == 0o700
    mark_built(beside)
    assert kernel_folder() == beside


def test_code_of_other_sources_or_another_processor_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "kernel.built").write_text("")
    assert not is_built(folder)
    mark_built(folder)
    assert is_built(folder)
    # As for another processor; a source that changed counts likewise.
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    digest.cache_clear()
    assert not is_built(folder)
