"""The lab's PostgreSQL taken back to a minute: a base backup while it works, an archive of its log, and a recovery."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg

from tests.faults.lab.lab import Lab
from tests.fixtures.servers.stacks import until


@dataclass(frozen=True)
class Archive:
    """The archive of the write-ahead log of the lab's PostgreSQL, and the base backup beside it."""

    lab: Lab
    folder: Path

    @property
    def cluster(self) -> Path:
        """The data of the server."""
        return self.lab.folder / "ledger/postgres"

    @property
    def base(self) -> Path:
        """The base backup."""
        return self.folder / "base"

    def back_up(self) -> None:
        """Copy the data while the server works, as `pg_basebackup` does; the log of the time goes to the archive."""
        with psycopg.connect(self.lab.database_url, autocommit=True) as connection:
            connection.execute("SELECT pg_backup_start('lab', fast => true)")
            # Files that go while they are copied are in the log.
            subprocess.run(("cp", "-a", str(self.cluster), str(self.base)), check=False, capture_output=True)
            row = connection.execute("SELECT labelfile FROM pg_backup_stop()").fetchone()
        assert row
        shutil.rmtree(self.base / "pg_wal")
        (self.base / "pg_wal").mkdir(mode=0o700)
        (self.base / "postmaster.pid").unlink(missing_ok=True)
        (self.base / "backup_label").write_text(row[0])

    def close(self) -> None:
        """Wait until the log up to now is in the archive."""
        with psycopg.connect(self.lab.database_url, autocommit=True) as connection:
            row = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        assert row
        until((self.folder / row[0]).exists, bool, within_s=30)

    def restore(self, moment: datetime) -> None:
        """Put the data of the backup in the place of a killed server's, and recover up to a moment."""
        owner = self.cluster.stat()
        shutil.rmtree(self.cluster)
        subprocess.run(("cp", "-a", str(self.base), str(self.cluster)), check=True)
        with (self.cluster / "postgresql.auto.conf").open("a") as settings:
            settings.write(
                f"archive_mode = off\nrestore_command = 'cp {self.folder}/%f %p'\n"
                f"recovery_target_time = '{moment.isoformat()}'\nrecovery_target_action = promote\n"
            )
        (self.cluster / "recovery.signal").touch()
        for path in (self.cluster, *self.cluster.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        assert self.lab.ledger
        self.lab.ledger.process.start()
        until(self._has_recovered, bool, within_s=60)

    def _has_recovered(self) -> bool:
        try:
            with psycopg.connect(self.lab.database_url, connect_timeout=3) as connection:
                return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
        except psycopg.OperationalError:
            return False


def open_archive(lab: Lab) -> Archive:
    """Have the lab's PostgreSQL archive its log, from its next start on, which is now."""
    assert lab.ledger
    archive = Archive(lab, lab.folder / "archive")
    archive.folder.mkdir()
    archive.folder.chmod(0o777)
    command = f"cp %p {archive.folder}/.%f && mv {archive.folder}/.%f {archive.folder}/%f"
    with psycopg.connect(lab.database_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET archive_mode = on")
        connection.execute(f"ALTER SYSTEM SET archive_command = '{command}'".encode())
    # Its clients first: it would wait for their connections, and their next request would fail.
    for process in (*lab.apis, *lab.workers, lab.ledger.process):
        process.stop()
    lab.heal()
    return archive


def read_done(url: str) -> Sequence[str]:
    """Return the symbols of the chunks that are done."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT items FROM job_chunks WHERE state = 'done'").fetchall()
    return sorted(symbol for (items,) in rows for symbol in items)
