"""A process that outlives a killed supervisor, and ends the children that it left.

It waits for the end of a pipe that only the supervisor holds open: a kill closes it too. `/bin/sh` waits, in 1 MB.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import structlog

from kaboom.cli.stack.child import ChildSpec
from kaboom.cli.stack.data_folder import MARK, SERVERS, signal_family

#: How long the workers and the API may take, then the servers: a worker at work takes up to 9 s.
_PATIENCE_S = {False: 9.0, True: 4.0}
_KILL_S = 1.0
_PAUSE_S = 0.2
_log = structlog.get_logger(__name__)
_WAIT = 'read -r _; exec "$@"'


def guard_spec(mark: Mapping[str, str], log: Path) -> ChildSpec:
    """Return the guard of the children with a mark; it ends itself when they have ended."""
    # Neither end is inherited by other children, so that the pipe ends with this process.
    pipe, _ = os.pipe()
    argv = ("/bin/sh", "-c", _WAIT, "kaboom-guard", sys.executable, "-m", "kaboom.cli.stack.guard", mark[MARK])
    return ChildSpec(name="guard", argv=argv, log=log, is_ready=lambda: True, stdin=pipe)


def end_marked(mark: str) -> int:
    """End the processes with a mark, the servers last; return how many families there were."""
    return sum(_end(mark, are_servers=are_servers) for are_servers in (False, True))


def _end(mark: str, *, are_servers: bool) -> int:
    asked: set[psutil.Process] = set()
    deadline = time.monotonic() + _PATIENCE_S[are_servers]
    while (left := _find(mark, are_servers=are_servers)) and (late_s := time.monotonic() - deadline) < _KILL_S:
        pids = {process.pid for process in left}
        for process in left:
            with suppress(psutil.Error):
                if late_s > 0:
                    signal_family(process.pid, signal.SIGKILL)
                elif process not in asked and process.ppid() not in pids:
                    asked.add(process)
                    # A fast shutdown of PostgreSQL: after SIGTERM it waits until its clients leave.
                    process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
        time.sleep(_PAUSE_S)
    return len(asked)


def _find(mark: str, *, are_servers: bool) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        # A process has ended, or belongs to another user. Of those that we may signal, none has our mark by accident.
        with suppress(psutil.Error, OSError, UnicodeError):
            is_ours = process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
            if is_ours and (process.name() in SERVERS) == are_servers:
                found.append(process)
    return found


if __name__ == "__main__":
    _log.warning("orphans_ended", count=end_marked(sys.argv[1]), supervisor=sys.argv[1].split()[1])
