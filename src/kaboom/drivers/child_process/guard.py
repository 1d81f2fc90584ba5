"""The guard of a process that runs code of users: it forks it, waits for it, and leaves none of its children over."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kaboom.drivers.child_process.isolation import adopt_orphans, end_with_parent, leave_machine


def run_guarded(work: Callable[[bool], int], *, parent: int, clean: Callable[[], None]) -> int:
    """Run `work` in a forked child, and end as the child ended, by its exit code or its signal.

    `work` is told whether the child is without network and other processes. SIGTERM, or the death of the process
    `parent`, ends the child. At the end all descendants are killed, and `clean` is called.
    """
    end_with_parent(signal.SIGTERM)
    adopt_orphans()
    is_isolated = leave_machine()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if not (child := os.fork()):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        end_with_parent(signal.SIGKILL)
        os._exit(_run(work, is_isolated=is_isolated))
    signal.signal(signal.SIGTERM, lambda *_: _kill(child))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    if os.getppid() != parent:  # it died before `end_with_parent`
        _kill(child)
    _, status = os.waitpid(child, 0)
    _kill_rest()
    clean()
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return os.waitstatus_to_exitcode(status)


def _run(work: Callable[[bool], int], *, is_isolated: bool) -> int:
    try:
        return work(is_isolated)
    except BaseException:  # noqa: BLE001  the child must not run on in the guard's code
        return 1


def _kill_rest() -> None:
    """Kill all children until there are none: those of a killed child become this process's own."""
    while True:
        with suppress(OSError):
            for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split():
                _kill(int(pid))
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
