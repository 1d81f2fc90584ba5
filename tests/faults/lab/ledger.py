"""A PostgreSQL of the lab's own, which a test may kill, freeze or fill, on a disk of its own where that is possible."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from kaboom.cli.stack.migrate import migrate
from kaboom.drivers.embedded.servers import embed_postgres
from tests.faults.lab.process import Process, Spec
from tests.fixtures.servers.stacks import until

#: The cluster takes 45 MB, and its log some 16 MB for each segment.
_DISK_MB = 160
_BALLAST = "ballast"


@dataclass
class Ledger:
    """The server, its address, and the disk that it alone is on, if there is one."""

    process: Process
    url: str
    disk: Path | None

    def kill(self) -> None:
        """Kill every process of it at once."""
        self._signal(signal.SIGKILL)
        self.process.kill()

    def freeze(self) -> None:
        """Stop every process of it; sockets stay open."""
        self._signal(signal.SIGSTOP)

    def fill_disk(self) -> None:
        """Take all that is free on its disk, so that PostgreSQL can make no file longer."""
        assert self.disk
        with (self.disk / _BALLAST).open("wb") as file, suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
                file.flush()

    def free_disk(self) -> None:
        """Give the space back."""
        if self.disk:
            (self.disk / _BALLAST).unlink(missing_ok=True)

    def has_room(self) -> bool:
        """Return whether PostgreSQL takes a table of 2 MB; a small insert may still fit in a full disk."""
        try:
            with psycopg.connect(self.url, connect_timeout=3) as connection:
                connection.execute("CREATE TEMP TABLE room AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
        except psycopg.OperationalError:
            return False
        return True

    def heal(self) -> None:
        """Have it answer again, whatever happened to it."""
        self.free_disk()
        self._signal(signal.SIGCONT)
        if not self.process.is_alive:
            self.process.kill()
            self.process.start()
        until(self._answers, bool, within_s=60)

    def _signal(self, number: signal.Signals) -> None:
        """Signal the main process and all that it started: each of these leads a session of its own."""
        if not self.process.is_alive:
            return
        for pid in (self.process.pid, *self.process.children()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=3) as connection:
                connection.execute("SELECT 1 FROM jobs LIMIT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def open_ledger(folder: Path) -> Iterator[Ledger]:
    """Give a migrated ledger with its data below a folder, on a disk of its own where this user may mount one."""
    data = folder / "ledger"
    data.mkdir(mode=0o755)
    disk = data if _mount(data) else None
    try:
        server = embed_postgres(data)
        # The disk may be full of what is killed: a crash must not need room for a core dump, nor the log.
        spec = Spec("postgres", server.argv, folder / "postgres.log", lambda _: server.is_ready(), user=server.user)
        ledger = Ledger(Process(spec), server.url, disk)
        ledger.process.start()
        migrate(server.url)
        try:
            yield ledger
        finally:
            ledger.heal()
            ledger.process.stop()
    finally:
        if disk:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _mount(folder: Path) -> bool:
    if os.geteuid() != 0:
        return False
    options = ("mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m,mode=0755", "kaboom-lab", str(folder))
    return subprocess.run(options, capture_output=True, check=False).returncode == 0
