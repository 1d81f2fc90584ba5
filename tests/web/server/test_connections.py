"""Which connections make room for others, and how many files a server may open."""

import asyncio
import resource
import socket
from dataclasses import dataclass, field
from typing import Any

import pytest

from kaboom.web.server import open_files, options
from kaboom.web.server.connections import Connections
from kaboom.web.server.protocol import has_unread


@dataclass(eq=False)
class Peer:
    """A connection as the table sees it: a smaller rank is closed first; None for one that is served."""

    name: str
    rank: int | None
    waits_since: int = 0
    has_unread: bool = False
    is_closed: bool = False
    loop: Any = field(default_factory=asyncio.new_event_loop)

    @property
    def transport(self) -> Any:
        """Its transport: only closed here."""
        return self

    def close(self) -> None:
        self.is_closed = True

    def check(self, tick: int) -> None:
        self.waits_since = tick


def closed_for(*peers: Peer, most: int, newest: Peer) -> tuple[list[str], bool]:
    """Return the names of who was closed for a new connection, and whether that one was turned away."""
    table = Connections(most)
    for each in (*peers, newest):
        table.admit(each)  # type: ignore[arg-type]
    for each in (*peers, newest):
        each.loop.close()
    return [each.name for each in peers if each.is_closed], newest.is_closed


def test_nobody_is_closed_while_there_is_room() -> None:
    assert closed_for(Peer("a", 0), most=2, newest=Peer("new", 0)) == ([], False)


def test_the_smallest_rank_is_closed_first_and_then_who_waits_longest() -> None:
    peers = (Peer("idle", 1, 1), Peer("no head, later", 0, 5), Peer("no head", 0, 3), Peer("served", None))
    assert closed_for(*peers, most=4, newest=Peer("new", 0)) == (["no head"], False)
    others = (Peer("later", 1, 5), Peer("longest", 1, 1))
    assert closed_for(*others, most=2, newest=Peer("new", 0)) == (["longest"], False)


def test_one_whose_bytes_are_there_is_spared() -> None:
    peers = (Peer("unread", 0, 1, has_unread=True), Peer("silent", 0, 2))
    assert closed_for(*peers, most=2, newest=Peer("new", 0)) == (["silent"], False)


def test_the_newest_is_turned_away_where_all_are_served() -> None:
    assert closed_for(Peer("a", None), Peer("b", None), most=2, newest=Peer("new", 0)) == ([], True)


def test_a_share_of_many_makes_room_at_once() -> None:
    peers = [Peer(str(n), 0, n) for n in range(64)]
    assert closed_for(*peers, most=64, newest=Peer("new", 0)) == (["0", "1"], False)


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (1_024, 4_096, (4_096, 4_096)),
        (4_096, 4_096, None),
        (1_024, 1_000_000, (65_536, 1_000_000)),
        (1_024, resource.RLIM_INFINITY, (65_536, resource.RLIM_INFINITY)),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None),
    ],
)
def test_the_limit_of_open_files_is_raised_once(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: tuple[int, int] | None
) -> None:
    calls: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda *call: calls.append(call))
    open_files.raise_open_files()
    assert calls == ([(resource.RLIMIT_NOFILE, raised)] if raised else [])


@pytest.mark.parametrize(
    ("files", "wanted", "most", "backlog"),
    [(100_000, 1_000, 1_000, 2_048), (1_128, 5_000, 1_000, 500), (10, 5_000, 8, 4)],
)
def test_a_server_has_no_more_connections_than_files(
    monkeypatch: pytest.MonkeyPatch, files: int, wanted: int, most: int, backlog: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    made = options.server_options(wanted)
    assert (made.pop("http").table._most, made) == (
        most,
        {
            "ws": "none", "backlog": backlog, "log_config": None, "access_log": False, "server_header": False,
            "proxy_headers": False,
        },
    )  # fmt: skip


@pytest.mark.anyio
async def test_unread_bytes_are_seen_until_the_socket_is_closed() -> None:
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    transport.pause_reading()
    with theirs:
        assert not has_unread(transport)
        theirs.send(b"GET")
        assert has_unread(transport)
        ours.close()
        assert not has_unread(transport)
    transport.abort()
