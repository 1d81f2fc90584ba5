"""What counts as a stall: time in which the process could run and finished nothing."""

import pytest

from kaboom.jobs.engine.run import heartbeat as stall_clock
from kaboom.jobs.engine.run.heartbeat import LeaseKeeper, StallClock
from kaboom.jobs.model import Tally
from kaboom.jobs.redis.memory import MemoryJobStore
from kaboom.jobs.redis.store import ChunkRef, Lease


class Machine:
    """A clock, and how long a thread has waited for a CPU."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waited_s = 7.0

    def waits(self) -> dict[str, int]:
        """Return the waits of two threads."""
        return {"1": 0, "2": round(self.waited_s * 1e9)}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose time the test passes."""
    made = Machine()
    monkeypatch.setattr(stall_clock, "read_cpu_waits", made.waits)
    return made


def idle(clock: StallClock, machine: Machine, seconds: float, *, starved: float = 0.0) -> None:
    """Let time pass in looks of 5 s; of each second the process waits a part for a CPU."""
    for _ in range(round(seconds / 5)):
        machine.now += 5
        machine.waited_s += 5 * starved
        clock.look(5.0)


def test_it_stalls_after_two_minutes_without_an_item(machine: Machine) -> None:
    clock = StallClock(lambda: machine.now)
    idle(clock, machine, 120)
    assert not clock.has_stalled(120)
    idle(clock, machine, 5)
    assert clock.has_stalled(120)
    clock.report()
    assert not clock.has_stalled(120)


def test_time_without_a_cpu_is_no_stall(machine: Machine) -> None:
    clock = StallClock(lambda: machine.now)
    idle(clock, machine, 600, starved=0.9)
    assert not clock.has_stalled(120)
    idle(clock, machine, 70)
    assert clock.has_stalled(120)


def test_waits_before_the_last_item_do_not_help(machine: Machine) -> None:
    clock = StallClock(lambda: machine.now)
    idle(clock, machine, 100, starved=0.9)
    clock.report()
    idle(clock, machine, 125)
    assert clock.has_stalled(120)


def test_a_starved_run_ends_after_15_minutes(machine: Machine) -> None:
    clock = StallClock(lambda: machine.now)
    idle(clock, machine, 900, starved=1.0)
    assert not clock.has_stalled(120)
    idle(clock, machine, 5, starved=1.0)
    assert clock.has_stalled(120)


def test_a_process_that_was_stopped_has_not_stalled(machine: Machine) -> None:
    clock = StallClock(lambda: machine.now)
    machine.now += 600
    clock.look(5.0)
    assert not clock.has_stalled(120)
    idle(clock, machine, 115)
    assert clock.has_stalled(120)


def test_a_wait_for_a_permit_begins_again_for_15_minutes(machine: Machine) -> None:
    clock = StallClock(lambda: machine.now)
    for _ in range(9):
        idle(clock, machine, 100)
        clock.note_life()
    assert not clock.has_stalled(120)
    idle(clock, machine, 100)
    clock.note_life()
    idle(clock, machine, 25)
    assert clock.has_stalled(120)


@pytest.mark.anyio
async def test_a_run_that_reports_progress_or_waits_for_a_permit_has_not_stalled(machine: Machine) -> None:
    keeper = LeaseKeeper(MemoryJobStore(), Lease(ChunkRef("ingest", "0" * 32, "0"), "1"), Tally())
    keeper._stall = clock = StallClock(lambda: machine.now)
    idle(clock, machine, 125)
    assert clock.has_stalled(120)
    keeper.report(Tally(cursor=1))
    assert not clock.has_stalled(120)
    idle(clock, machine, 125)
    assert clock.has_stalled(120)
    keeper.note_life()
    assert not clock.has_stalled(120)
