"""Children of real processes: started in order, restarted when they die, stopped in reverse, ended when orphaned."""

import itertools
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import structlog
from structlog.testing import LogCapture
from structlog.typing import EventDict

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.stack import child as child_module
from kaboom.cli.stack import supervisor as supervisor_module
from kaboom.cli.stack.child import Child, ChildSpec
from kaboom.cli.stack.supervisor import Supervisor
from kaboom.drivers.stop import StopEvent
from kaboom.errors import ConfigurationError
from tests.fixtures.servers.stacks import until

#: Says that it is there, and says its name when it is told to end.
POLITE = 'trap "echo {name} >> {ended}; exit 0" TERM; echo up > {ready}; while :; do sleep 0.02; done'
#: Has a child of its own in its group, and does not care for signals.
STUBBORN = 'trap "" TERM; sleep 1000 & echo $! > {ready}; while :; do sleep 0.02; done'

type Make = Callable[..., ChildSpec]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[EventDict]:
    """Return what is logged, by loggers that no other test has configured."""
    capture = LogCapture()
    logger = structlog.wrap_logger(None, processors=[capture], wrapper_class=structlog.BoundLogger)
    for module in (child_module, supervisor_module):
        monkeypatch.setattr(module, "_log", logger)
    return capture.entries


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return the spec of a shell script; its `{ready}` file makes it ready."""

    def build(name: str, script: str = POLITE) -> ChildSpec:
        ready, ended = tmp_path / f"{name}.ready", tmp_path / "ended"
        text = script.format(name=name, ready=ready, ended=ended)
        log = tmp_path / "logs" / f"{name}.log"
        return ChildSpec(name, ("/bin/sh", "-c", text), log, ready.exists, stop_s=5.0)

    return build


@pytest.fixture
def running() -> Iterator[list[Supervisor]]:
    """Stop every supervisor in the list at the end."""
    made: list[Supervisor] = []
    yield made
    for one in made:
        one.stop()


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_start_waits_until_each_is_ready(make: Make, running: list[Supervisor], tmp_path: Path) -> None:
    running.append(Supervisor())
    running[0].start([make("a", "sleep 0.2; " + POLITE), make("b")])
    assert (tmp_path / "a.ready").exists()
    assert (tmp_path / "b.ready").exists()


def test_children_are_stopped_last_started_first(make: Make, tmp_path: Path) -> None:
    one = Supervisor()
    for name in ("valkey", "api", "worker"):
        one.start([make(name)])
    pids = [child.pid for child in one.children]
    one.stop()
    assert (tmp_path / "ended").read_text().split() == ["worker", "api", "valkey"]
    assert not any(is_alive(pid) for pid in pids)


def test_children_that_start_side_by_side_stop_so(make: Make, tmp_path: Path) -> None:
    one, asked = Supervisor(), tmp_path / "asked"
    # Each ends when both were asked to: one after the other, they would be killed.
    wait = f"while [ $(wc -l < {asked}) -lt 2 ]; do sleep 0.02; done"
    trap = f'trap "echo {{name}} >> {asked}; {wait}; echo {{name}} >> {{ended}}; exit 0" TERM'
    script = f"{trap}; echo up > {{ready}}; while :; do sleep 0.02; done"
    one.start([make("worker-1", script), make("worker-2", script)])
    one.stop()
    assert sorted((tmp_path / "ended").read_text().split()) == ["worker-1", "worker-2"]


def test_a_worker_is_asked_to_end_once(make: Make, tmp_path: Path) -> None:
    # A worker that is asked twice gives up its chunks.
    asked = tmp_path / "asked"
    script = (
        f'trap "echo once >> {asked}" TERM; echo up > {{ready}}; while [ ! -e {asked} ]; do sleep 0.02; done; sleep 0.3'
    )
    child = Child(make("worker", script))
    child.wait_ready()
    child.ask_to_end()
    child.stop()
    assert asked.read_text().split() == ["once"]


def test_a_start_ends_when_a_stop_is_requested(make: Make, running: list[Supervisor]) -> None:
    stopping = StopEvent()
    running.append(Supervisor(stopping=stopping))

    def is_ready() -> bool:
        stopping.set()
        return False

    never = replace(make("api"), is_ready=is_ready)
    with pytest.raises(CliError) as raised:
        running[0].start([never])
    assert raised.value.code is Exit.INTERRUPTED
    with pytest.raises(CliError):
        running[0].start([make("worker")])
    assert [child.spec.name for child in running[0].children] == ["api"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("I/O operation on closed file")])
def test_a_console_that_is_gone_ends_no_watcher(
    error: Exception, make: Make, running: list[Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    class Gone:
        def warning(self, event: str, **_: object) -> None:
            said.append(event)
            raise error

    for module in (child_module, supervisor_module):
        monkeypatch.setattr(module, "_log", Gone())
    causes = iter([error] * 3)

    def find_cause() -> str:
        if cause := next(causes, None):
            raise cause
        return ""

    running.append(Supervisor(find_cause=find_cause))
    running[0].start([make("a")])
    child = running[0].children[0]
    os.kill(child.pid, signal.SIGKILL)
    running[0].watch()
    until(lambda: child.restarts, lambda count: count == 1, within_s=10)
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: child.restarts, lambda count: count == 2, within_s=10)
    assert said[:2] == ["restart_failed", "child_ended"]


def test_a_child_that_does_not_listen_is_killed_with_its_group(make: Make, tmp_path: Path) -> None:
    one = Supervisor()
    one.start([replace(make("deaf", STUBBORN), stop_s=0.2)])
    grandchild = until((tmp_path / "deaf.ready").read_text, bool, within_s=5)
    begun_at = time.monotonic()
    one.stop()
    assert time.monotonic() - begun_at < 5
    until(lambda: is_alive(int(grandchild)), lambda alive: not alive, within_s=5)


def test_a_killed_child_is_started_again_and_that_is_reported(make: Make, running: list[Supervisor]) -> None:
    told: list[int] = []
    running.append(Supervisor(lambda children: told.append(children[0].pid)))
    running[0].start([make("a")])
    running[0].watch()
    first = running[0].children[0].pid
    os.kill(first, signal.SIGKILL)
    until(lambda: told[-1], lambda pid: pid != first, within_s=10)
    child = running[0].children[0]
    assert (child.restarts, sorted(set(told), key=told.index)) == (1, [first, child.pid])
    assert is_alive(child.pid)


def test_what_a_killed_child_leaves_in_its_group_goes_too(
    make: Make, running: list[Supervisor], tmp_path: Path
) -> None:
    running.append(Supervisor())
    running[0].start([replace(make("a", STUBBORN), stop_s=0.2)])
    grandchild = int(until((tmp_path / "a.ready").read_text, bool, within_s=5))
    running[0].watch()
    os.kill(running[0].children[0].pid, signal.SIGKILL)
    until(lambda: is_alive(grandchild), lambda alive: not alive, within_s=10)
    assert until(lambda: running[0].children[0].restarts, bool, within_s=10) == 1


def test_a_child_that_keeps_dying_is_not_started_all_the_time(make: Make) -> None:
    child = Child(make("a", "exit 3"))
    deadline = time.monotonic() + 1.2
    while time.monotonic() < deadline:
        child.revive()
        time.sleep(0.01)
    child.stop()
    # At once, then after 0.5 s, then after 1 s.
    assert 1 <= child.restarts <= 2


def test_the_pause_between_restarts_has_a_limit(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "_LEAST_PAUSE_S", 1000.0)
    monkeypatch.setattr(child_module, "_MOST_PAUSE_S", 0.1)
    child = Child(make("a", "exit 3"))
    revive_until(child, lambda: child.restarts == 3)
    child.stop()


def revive_until(child: Child, wanted: Callable[[], bool], cause: str = "") -> None:
    """Look at a child, as the watcher does, until something is so."""
    until(lambda: (child.revive(cause), wanted())[1], bool, within_s=20)


def test_why_a_child_keeps_dying_is_told_once_until_that_changes(
    make: Make, told: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "_LEAST_PAUSE_S", 0.05)
    child = Child(make("postgres", "echo PANIC no space; exit 1"))
    revive_until(child, lambda: child.restarts == 3, "the disk is full")
    revive_until(child, lambda: child.restarts == 5)
    child.stop()
    assert [(line["event"], line.get("reason", "").partition(" (see ")[0]) for line in told] == [
        ("child_ended", "the disk is full"),
        ("child_restarted", ""),
        ("child_keeps_ending", "the disk is full"),
        ("child_keeps_ending", "PANIC no space"),
    ]


def test_a_child_that_lives_long_again_is_told_and_its_next_end_is_news(
    make: Make, told: list[EventDict], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cured = tmp_path / "cured"
    spec = make("a", f"test -e {cured} || exit 3; echo > {{ready}}; exec sleep 1000")
    child = Child(spec)
    revive_until(child, lambda: child.restarts == 2)
    cured.touch()
    revive_until(child, spec.is_ready)
    monkeypatch.setattr(child_module, "_HEALTHY_S", 0.0)
    child.revive()
    os.kill(child.pid, signal.SIGKILL)
    until(child.revive, bool, within_s=20)
    child.stop()
    assert [line["event"] for line in told] == [
        "child_ended",
        "child_restarted",
        "child_keeps_ending",
        "child_stays_up",
        "child_ended",
        "child_restarted",
    ]


def test_a_child_whose_address_is_removed_is_restarted(
    make: Make, told: list[EventDict], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(child_module, "_HEALTHY_S", 0.0)
    ready = tmp_path / "a.ready"
    child = Child(replace(make("a"), address=ready))
    until(ready.exists, bool, within_s=20)
    assert not child.revive()
    ready.unlink()
    until(child.revive, bool, within_s=20)
    until(ready.exists, bool, within_s=20)
    child.stop()
    assert (tmp_path / "ended").read_text().split() == ["a", "a"]
    assert [line["event"] for line in told] == ["child_unreachable", "child_ended", "child_restarted"]


def test_a_start_that_the_machine_refuses_is_told_once_and_tried_again(
    make: Make, told: list[EventDict], running: list[Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "_MOST_PAUSE_S", 0.5)
    running.append(Supervisor())
    spec = make("a")
    running[0].start([spec])
    logs = spec.log.parent
    aside, back = logs.with_name("aside"), logs.with_name("back")
    logs.rename(aside)
    logs.touch()
    back.symlink_to(aside)
    os.kill(running[0].children[0].pid, signal.SIGKILL)
    running[0].watch()
    until(lambda: [line["event"] for line in told], lambda found: "restart_failed" in found, within_s=10)
    time.sleep(0.6)
    # The link replaces the file in one step. In two, a start might find no folder, and report this as a second cause.
    back.replace(logs)
    until(lambda: running[0].children[0].restarts, lambda count: count == 1, within_s=10)
    assert [line["event"] for line in told].count("restart_failed") == 1


def test_a_start_that_fails_ends_with_the_childs_last_words(make: Make, running: list[Supervisor]) -> None:
    running.append(Supervisor())
    spec = make("valkey", "for n in 1 2 3 4; do echo line $n; done; echo no space left >&2; exit 1")
    with pytest.raises(ConfigurationError, match="valkey did not start: line 3 / line 4 / no space left") as raised:
        running[0].start([spec])
    assert str(spec.log) in raised.value.message


def test_a_start_that_takes_too_long_is_given_up(
    make: Make, running: list[Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "_START_S", 0.3)
    running.append(Supervisor())
    with pytest.raises(ConfigurationError, match="api did not answer in 0 s: it said nothing"):
        running[0].start([make("api", "while :; do sleep 0.02; done")])


def test_a_child_is_out_of_reach_of_the_terminals_signals(make: Make, running: list[Supervisor]) -> None:
    running.append(Supervisor())
    running[0].start([make("a")])
    pid = running[0].children[0].pid
    assert os.getsid(pid) == os.getpgid(pid) == pid != os.getsid(0)


def test_a_failed_record_is_tried_until_it_holds_and_told_once(
    make: Make, running: list[Supervisor], told: list[EventDict]
) -> None:
    tries, recorded = itertools.count(), list[int]()

    def record(children: list[Child]) -> None:
        if next(tries) < 4:
            raise OSError(28, "No space left on device")
        recorded.append(children[0].pid)

    running.append(Supervisor(record))
    running[0].start([make("a")])
    running[0].watch()
    assert until(lambda: recorded, bool, within_s=10)[0] == running[0].children[0].pid
    assert [(entry["event"], entry["reason"]) for entry in told if "recorded" in entry["event"]] == [
        ("children_not_recorded", "[Errno 28] No space left on device")
    ]


def test_a_child_is_restarted_after_its_data_was_repaired(make: Make, running: list[Supervisor]) -> None:
    heard: list[str] = []

    def repair(words: str) -> bool:
        heard.append(words)
        return "damaged" in words and len(heard) < 3

    running.append(Supervisor())
    broken = replace(make("valkey", "echo damaged; exit 1"), repair=repair)
    with pytest.raises(ConfigurationError, match="valkey did not start: damaged"):
        running[0].start([broken])
    # Before the start, and after each of two; each time what that process said alone.
    assert heard == ["", "damaged\n", "damaged\n"]


def test_no_child_is_restarted_while_the_folder_is_another(make: Make, running: list[Supervisor]) -> None:
    answers: list[bool] = []
    is_ours = [False]

    def ask() -> bool:
        answers.append(is_ours[0])
        return is_ours[0]

    running.append(Supervisor(is_ours=ask))
    running[0].start([make("a")])
    child = running[0].children[0]
    os.kill(child.pid, signal.SIGKILL)
    running[0].watch()
    until(lambda: len(answers), lambda asked: asked >= 3, within_s=10)
    assert child.restarts == 0
    is_ours[0] = True
    until(lambda: child.restarts, lambda restarts: restarts == 1, within_s=10)


def test_a_log_is_for_its_owner_alone(make: Make, running: list[Supervisor]) -> None:
    running.append(Supervisor())
    spec = make("a")
    spec.log.parent.mkdir()
    # As an earlier release left it.
    spec.log.touch(mode=0o644)
    running[0].start([spec])
    assert stat.S_IMODE(spec.log.stat().st_mode) == 0o600
