"""A damaged append-only log of the embedded Valkey: set aside on evidence, and left alone without."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from kaboom.cli.stack.child import Child, ChildSpec
from kaboom.drivers.embedded.servers import EmbeddedServer, embed_valkey
from kaboom.errors import ConfigurationError
from tests.fixtures.servers.stacks import until


class Log:
    """The append-only log of a Valkey that has stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "valkey/appendonlydir"
        (self.base,) = self.folder.glob("*.base.rdb")
        (self.incr,) = self.folder.glob("*.incr.aof")
        self.manifest = self.folder / "appendonly.aof.manifest"


def flip_command(log: Log) -> None:
    log.incr.write_bytes(log.incr.read_bytes().replace(b"SET", b"\x8c\xba\xab", 1))


def flip_count(log: Log) -> None:
    content = log.incr.read_bytes()
    at = content.index(b"*3", len(content) // 2)
    log.incr.write_bytes(content[:at] + b"\xd5" + content[at + 1 :])


def flip_base(log: Log) -> None:
    content = bytearray(log.base.read_bytes())
    content[len(content) // 2] ^= 0xFF
    log.base.write_bytes(content)


def cut_base(log: Log) -> None:
    log.base.write_bytes(log.base.read_bytes()[:-20])


def empty_base(log: Log) -> None:
    log.base.write_bytes(b"")


def lose_base(log: Log) -> None:
    log.base.unlink()


def lose_manifest(log: Log) -> None:
    log.manifest.unlink()


def empty_manifest(log: Log) -> None:
    log.manifest.write_bytes(b"")


def scribble_on_manifest(log: Log) -> None:
    log.manifest.write_bytes(b"\x00\xff" * 700 + b"\n")


DAMAGES = [
    flip_command, flip_count, flip_base, cut_base, empty_base, lose_base, lose_manifest, empty_manifest,
    scribble_on_manifest,
]  # fmt: skip


class Valkey:
    """Runs the Valkey of a folder as `kaboom up` does, and notes what it set aside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server: EmbeddedServer = embed_valkey(folder)
        self.aside: list[tuple[Path, str]] = []

    def run(self, work: Callable[["redis.Redis"], object]) -> None:
        log, server = self.folder / "valkey.log", self.server
        child = Child(ChildSpec("valkey", server.argv, log, server.is_ready, repair=self._repair))
        try:
            child.wait_ready()
            with redis.Redis.from_url(server.url) as client:
                work(client)
        finally:
            child.stop()

    def _repair(self, words: str) -> bool:
        if (found := self.server.repair(words)) is not None:
            self.aside.append(found)
        return found is not None


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Valkey with a base and a log after it, stopped."""
    folder = tmp_path_factory.mktemp("filled")
    Valkey(folder).run(fill)
    return folder


@pytest.fixture
def valkey(filled: Path, tmp_path: Path) -> Valkey:
    """A Valkey that holds something."""
    shutil.copytree(filled / "valkey/appendonlydir", tmp_path / "valkey/appendonlydir")
    return Valkey(tmp_path)


def fill(client: "redis.Redis") -> None:
    client.mset({f"base:{n}": "x" * 50 for n in range(100)})
    client.bgrewriteaof()
    until(lambda: client.info("persistence"), lambda info: info["aof_base_size"] > 2000, within_s=20)
    for n in range(100):
        client.set(f"later:{n}", "x" * 50)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_log_is_set_aside_and_the_start_goes_on(valkey: Valkey, damage: Callable[[Log], None]) -> None:
    log = Log(valkey.folder)
    damage(log)
    kept = {path.name: path.read_bytes() for path in log.folder.iterdir()}
    valkey.run(lambda client: (client.dbsize() == 0, client.set("fresh", "1")))
    ((path, reason),) = valkey.aside
    assert path.parent == log.folder.parent
    assert {file.name: file.read_bytes() for file in path.iterdir()} == kept
    assert reason
    assert "valkey-check" not in reason
    # Once: what was written since is kept.
    held: list[object] = []
    valkey.run(lambda client: held.append(client.keys("*")))
    assert (held, len(valkey.aside)) == ([[b"fresh"]], 1)


def test_a_cut_tail_is_repaired_by_valkey_and_nothing_set_aside(valkey: Valkey) -> None:
    log = Log(valkey.folder)
    log.incr.write_bytes(log.incr.read_bytes()[:-7])
    held: list[object] = []
    valkey.run(lambda client: held.append(client.dbsize()))
    assert (held, valkey.aside) == ([199], [])


def test_a_taken_port_is_no_damage(valkey: Valkey) -> None:
    # Words of an earlier start that failed over a damage are no evidence either.
    old = "1:M # Bad file format reading the append only file appendonly.aof.1.incr.aof: make a backup\n"
    (valkey.folder / "valkey.log").write_text(old)
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taker.bind(("127.0.0.1", int(valkey.server.url.rpartition(":")[2].partition("/")[0])))
        taker.listen()
        with pytest.raises(ConfigurationError, match=r"valkey did not start: .*Address already in use"):
            valkey.run(lambda _: None)
    assert valkey.aside == []
    held: list[object] = []
    valkey.run(lambda client: held.append(client.dbsize()))
    assert held == [200]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_no_damage(filled: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=True)
    try:
        shutil.copytree(filled / "valkey/appendonlydir", disk / "valkey/appendonlydir")
        valkey = Valkey(disk)
        with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(b"\0" * 4096)
        with suppress(ConfigurationError):
            valkey.run(lambda _: None)
        (disk / "filler").unlink()
        held: list[object] = []
        valkey.run(lambda client: held.append(client.dbsize()))
        assert (held, valkey.aside) == ([200], [])
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_first_start_that_was_killed_is_no_damage(tmp_path: Path) -> None:
    valkey = Valkey(tmp_path)
    valkey.run(lambda _: None)
    Log(tmp_path).manifest.unlink()
    valkey.run(lambda client: client.ping())
    assert valkey.aside == []
