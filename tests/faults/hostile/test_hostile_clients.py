"""Clients that send too much, too slowly or nothing, to the API and to a worker's side port (rows 45 to 49)."""

import resource
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx2
import psutil
import pytest

from tests.faults.lab import attack
from tests.faults.lab.attack import Attack, attacking
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.faults.lab.process import Process
from tests.fixtures.jobs.apps import JOBS, TOKEN
from tests.fixtures.servers.raw_http import connect, statuses
from tests.fixtures.servers.stacks import until

_QUIET_S = 2.0
_ATTACK_S = 10.0
_MOST_P95_MS = 100.0
#: On a machine that is busy with other work, times what the poll took there before the attack.
_MOST_SLOWER = 6.0
#: The share of polls whose connection may be closed to make room.
_MOST_REFUSED = 0.05
_MOST_GROWTH_MB = 50.0


@pytest.fixture(scope="module")
def size() -> Size:
    """A worker with its side port."""
    return Size(has_side_ports=True)


@dataclass
class Poll:
    """What a well-behaved caller saw: milliseconds of each answer, and how far memory grew meanwhile."""

    times_ms: list[float] = field(default_factory=list)
    refused: int = 0
    growth_mb: float = 0.0

    @property
    def p95_ms(self) -> float:
        """What 95 of 100 answers took at most."""
        return sorted(self.times_ms)[int(len(self.times_ms) * 0.95)]

    def judge(self, quiet: "Poll") -> None:
        """Fail where the caller suffered or memory grew."""
        assert self.p95_ms < max(_MOST_P95_MS, _MOST_SLOWER * quiet.p95_ms)
        assert self.refused <= _MOST_REFUSED * len(self.times_ms)
        assert self.growth_mb < _MOST_GROWTH_MB


def poll_for(seconds: float, url: str, process: psutil.Process, path: str = "/healthz") -> Poll:
    """Ask for a page again and again; a connection of its own each second time, as not every client keeps one."""
    found = Poll()
    before = process.memory_info().rss
    headers = {"x-ingest-token": TOKEN}
    deadline = time.monotonic() + seconds
    with httpx2.Client(base_url=url, headers=headers, timeout=10, trust_env=False) as kept:
        while time.monotonic() < deadline:
            begun_at = time.perf_counter()
            try:
                if len(found.times_ms) % 2:
                    answer = httpx2.get(url + path, headers=headers, timeout=10, trust_env=False)
                else:
                    answer = kept.get(path)
                assert answer.status_code == 200
            except (httpx2.NetworkError, httpx2.RemoteProtocolError):
                found.refused += 1
            found.times_ms.append((time.perf_counter() - begun_at) * 1000)
            found.growth_mb = max(found.growth_mb, (process.memory_info().rss - before) / 1e6)
            time.sleep(0.01)
    return found


def poll_under(process: Process, url: str, *kinds: Attack, path: str = "/healthz") -> Poll:
    """Poll before and during attacks on the same port, and judge the difference."""
    measured = psutil.Process(process.pid)
    quiet = poll_for(_QUIET_S, url, measured, path)
    with attacking(int(url.rpartition(":")[2]), *kinds):
        poll = poll_for(_ATTACK_S, url, measured, path)
    poll.judge(quiet)
    assert process.is_alive
    return poll


def port_of(lab: Lab) -> int:
    return int(lab.url().rpartition(":")[2])


def side_url(lab: Lab) -> str:
    return f"http://127.0.0.1:{lab.side_ports[0]}"


def note(measure: Measures, row: int, promise: str, poll: Poll) -> None:
    measure.note(
        row, promise, p95_ms=poll.p95_ms, growth_mb=poll.growth_mb, polls=len(poll.times_ms), refused=poll.refused
    )


# Row 45.
@pytest.mark.parametrize("part", ["api", "worker"])
def test_large_heads_stall_nobody(lab: Lab, measure: Measures, part: str) -> None:
    process, url = (lab.api, lab.url()) if part == "api" else (lab.worker, side_url(lab))
    poll = poll_under(process, url, attack.send_large_heads, attack.send_many_headers, attack.send_heads_slowly)
    note(measure, 45, f"heads of 60 and 300 MB on the port of the {part}", poll)


# Row 46.
def test_silent_and_slow_connections_shut_nobody_out(lab: Lab, measure: Measures) -> None:
    poll = poll_under(lab.api, lab.url(), attack.stay_silent, attack.send_bodies_slowly, attack.read_nothing)
    note(measure, 46, "1,100 silent connections, 300 slow bodies, 20 clients that do not read, on the API", poll)


# Row 46.
def test_api_without_files_left_accepts_again(lab: Lab, measure: Measures) -> None:
    process = psutil.Process(lab.api.pid)
    assert lab.caller.http.get("/healthz").status_code == 200
    soft, hard = process.rlimit(resource.RLIMIT_NOFILE)
    process.rlimit(resource.RLIMIT_NOFILE, (process.num_fds() + 2, hard))
    try:
        clients = [connect(port_of(lab)) for _ in range(20)]
        time.sleep(1)
    finally:
        process.rlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for client in clients:
        client.close()
    took_s = timed(lambda: until(lambda: is_up(lab), bool, within_s=10))
    measure.note(46, "the API out of files for a second, until it answers again", took_s=took_s)


# Row 47.
def test_connections_on_the_side_port_do_not_end_the_worker(lab: Lab, measure: Measures) -> None:
    poll = poll_under(lab.worker, side_url(lab), attack.stay_silent, attack.send_bodies_slowly)
    job_id = lab.caller.submit(lab.requests.build(4))
    assert lab.caller.wait(job_id, within_s=60)["status"] == "completed"
    note(measure, 47, "1,100 silent connections and 300 slow bodies on a worker's side port", poll)


# Row 48.
def test_streams_beyond_the_cap_are_refused_and_none_breaks(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=2)
    job_id = lab.caller.submit(lab.requests.build(24))
    until(lambda: lab.caller.job(job_id)["status"], lambda status: status == "running", within_s=30)
    asked = (
        f"GET {JOBS}/{job_id}/logs HTTP/1.1\r\nHost: a\r\nx-ingest-token: {TOKEN}\r\nAccept: text/event-stream\r\n\r\n"
    )
    fill_log(lab, job_id)

    def follow(_: int) -> bytes:
        with connect(port_of(lab), asked.encode(), timeout_s=90) as client:
            found = client.recv(4096)
            return found if statuses(found) == [429] else found + read_stream(client)

    with ThreadPoolExecutor(300) as pool:
        streams = list(pool.map(follow, range(300)))
    refused = [found for found in streams if b" 429 " in found[:20]]
    followed = [found for found in streams if b" 200 " in found[:20]]
    assert (len(followed), len(refused)) == (128, 172)
    # Chunked encoding tells an end from a cut.
    assert [found[-60:] for found in followed if not found.endswith(b"0\r\n\r\n")] == []
    assert [found[-60:] for found in followed if found.count(b"event: line") < 1000] == []
    measure.note(48, "300 log streams of one caller at once", followed=128, refused=172, broken=0)


# Row 49.
def test_attacks_of_all_kinds_leave_a_poll_quick(lab: Lab, measure: Measures) -> None:
    job_id = lab.caller.submit(lab.requests.build(2))
    lab.caller.wait(job_id)
    kinds = (attack.send_large_heads, attack.send_heads_slowly, attack.stay_silent, attack.send_bodies_slowly)
    with attacking(lab.side_ports[0], attack.stay_silent):
        poll = poll_under(lab.api, lab.url(), *kinds, path=f"{JOBS}/{job_id}")
    assert lab.worker.is_alive
    note(measure, 49, "heads, silent and slow connections from one client; an authorised poll", poll)


def fill_log(lab: Lab, job_id: str) -> None:
    """Have a job as many log lines as are kept of one."""
    key = f"ingest:job:{job_id}:logs"
    until(lambda: lab.redis.exists(key), bool, within_s=10)
    _, line = lab.redis.xrange(key, count=1)[0]
    for _ in range(1000):
        lab.redis.xadd(key, line)


def read_stream(client: socket.socket) -> bytes:
    found = bytearray()
    while not found.endswith(b"\r\n0\r\n\r\n") and (piece := client.recv(65536)):
        found += piece
    return bytes(found)


def is_up(lab: Lab) -> bool:
    try:
        return httpx2.get(f"{lab.url()}/healthz", timeout=1, trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False


def timed(act: Callable[[], object]) -> float:
    begun_at = time.monotonic()
    act()
    return time.monotonic() - begun_at
