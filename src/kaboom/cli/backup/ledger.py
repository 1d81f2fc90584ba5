"""The embedded PostgreSQL of a data folder, running during a backup or a restore."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaboom.cli.stack.child import Child, ChildSpec
from kaboom.cli.stack.data_folder import mark_children
from kaboom.drivers.embedded.servers import embed_postgres

#: Tables whose rows are neither dumped nor restored: the keys that logins and cursors are signed with, and sessions, of
#: which some may have been ended since.
WITHOUT = ("api_keys", "browser_sessions")


@contextmanager
def started_postgres(data_dir: Path, log: Path) -> Iterator[str]:
    """Run the PostgreSQL of a data folder on which no Kaboom runs, and yield its address.

    Raises:
        ConfigurationError: PostgreSQL does not start.

    """
    server = embed_postgres(data_dir.resolve())
    spec = ChildSpec(
        server.name,
        server.argv,
        log,
        server.is_ready,
        env=mark_children(data_dir),
        stop_signal=server.stop_signal,
        user=server.user,
        folder=server.folder,
    )
    child = Child(spec)
    try:
        child.wait_ready()
        yield server.url
    finally:
        child.stop()
