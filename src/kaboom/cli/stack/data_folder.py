"""The lock of a data folder, and the processes that use the folder.

A process is recognised by a mark in its environment; a server also by its working folder.
"""

import fcntl
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.session import Session
from kaboom.drivers.embedded.run_file import LOCK, identify_folder, read_run_file
from kaboom.errors import ConfigurationError, Conflict

#: In the environment of each child: the identity of its data folder, and pid and start time of its supervisor.
MARK = "KABOOM_CHILD_OF"
#: The servers and their working folders, by which they are found if the mark is lost or the lock file replaced.
SERVERS = {"valkey-server": "valkey", "postgres": "postgres"}
_PATIENCE_S = 5.0


def hold_lock(data_dir: Path, session: Session) -> IO[bytes]:
    """Take the lock of a data folder; it is held until the returned file is closed.

    Raises:
        CliError: a Kaboom runs on the folder.

    """
    lock = os.fdopen(os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    # An earlier release made it readable for all users.
    os.fchmod(lock.fileno(), 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        lock.close()
        run = read_run_file(data_dir)
        pid, api_url = run.get("pid", "?"), run.get("api_url", "starting")
        message = session.words.say(
            "a Kaboom already runs on {data_dir} (pid {pid}, {api_url}): use it, stop it, or give another --data-dir",
            data_dir=data_dir,
            pid=pid,
            api_url=api_url,
        )
        raise CliError(Exit.CONFLICT, message) from e
    return lock


def mark_children(data_dir: Path) -> dict[str, str]:
    """Return the environment variable that marks the children of this process."""
    return {MARK: f"{identify_folder(data_dir)} {os.getpid()} {psutil.Process().create_time()}"}


def find_workers_on(data_dir: Path) -> list[psutil.Process]:
    """Return the other live processes that use a data folder."""
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and _works_on(p, data_dir)]


def end_orphans(data_dir: Path) -> int:
    """End the processes that a killed Kaboom left running on a data folder; return how many groups there were.

    Raises:
        Conflict: the supervisor of a process still runs, so it is not an orphan.
        ConfigurationError: a process does not end.

    """
    orphans = find_workers_on(data_dir)
    for process in orphans:
        if supervisor := _find_supervisor(process):
            raise Conflict(
                f"a Kaboom already runs on {data_dir} (pid {supervisor}): its lock file was removed; stop it"
            )
    count = _count_families(orphans)
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _PATIENCE_S
        for process in orphans:
            signal_family(process.pid, number)
        while orphans and time.monotonic() < deadline:
            time.sleep(0.05)
            orphans = find_workers_on(data_dir)
    if orphans:
        pids = ", ".join(str(process.pid) for process in orphans)
        raise ConfigurationError(f"processes of a killed Kaboom still use {data_dir} and do not end: pid {pids}")
    return count


def _count_families(processes: list[psutil.Process]) -> int:
    pids, count = {process.pid for process in processes}, 0
    for process in processes:
        with suppress(psutil.Error):
            count += process.ppid() not in pids
    return count


def signal_family(pid: int, number: signal.Signals) -> None:
    """Signal a process, and its group if it leads one; do nothing if it has ended."""
    with suppress(ProcessLookupError, PermissionError):
        group = os.getpgid(pid)
        # Kaboom's own children lead a session and a group of their own. A server that somebody started in a shell
        # shares the group of the shell's job, so only the process itself is signalled.
        if os.getsid(pid) == group:
            os.killpg(group, number)
        else:
            os.kill(pid, number)


def _works_on(process: psutil.Process, data_dir: Path) -> bool:
    try:
        identity = _read_mark(process)[0]
        if identity and identity == identify_folder(data_dir):
            return process.status() != psutil.STATUS_ZOMBIE
        folder = SERVERS.get(process.name())
        return folder is not None and Path(process.cwd()).samefile(data_dir / folder)
    except (psutil.Error, OSError):
        # The process has ended, or belongs to another user.
        return False


def _read_mark(process: psutil.Process) -> tuple[str, str, str]:
    environment: Mapping[str, str] = {}
    # A server may have overwritten its environment with its title, and other users' environments are not trusted.
    with suppress(psutil.Error, OSError, UnicodeError):
        if process.uids().real == os.geteuid():
            environment = process.environ()
    identity, _, supervisor = environment.get(MARK, "").partition(" ")
    pid, _, created = supervisor.partition(" ")
    return identity, pid, created


def _find_supervisor(process: psutil.Process) -> int | None:
    """Return the pid of a live supervisor; None if it has ended, even if another process has its pid now."""
    _, pid, created = _read_mark(process)
    with suppress(psutil.Error, ValueError):
        # The clock of the start times moves by some ms when the machine's clock is set.
        if abs(psutil.Process(int(pid)).create_time() - float(created)) < 1:
            return int(pid)
    return None
