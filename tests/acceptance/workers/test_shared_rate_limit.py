"""Several real processes ask one provider: it never sees more than it allows, and no symbol is forgotten."""

import asyncio
import subprocess
import sys
import time
from typing import Any

import orjson
import pytest

from kaboom.drivers.redis.client import connect_redis
from kaboom.providers.limiter.port import Limits, Permit
from kaboom.providers.limiter.redis import RedisPermitStore
from tests.fixtures.providers.counting_server import CountingServer, counting
from tests.fixtures.repo.repository import ROOT

PROCESSES = 4
SYMBOLS = [str(number) for number in range(1301, 1361)]


def start(server: CountingServer, redis_url: str, symbols: list[str], **words: Any) -> "subprocess.Popen[bytes]":
    """Start a process that asks for some symbols."""
    told = {"server": server.url, "redis_url": redis_url, "symbols": symbols, "patience_s": 3600.0} | words
    argv = [sys.executable, "-m", "tests.fixtures.providers.limited_process", orjson.dumps(told).decode()]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE)


def ask_together(server: CountingServer, redis_url: str, **words: Any) -> dict[str, int]:
    """Share the symbols among processes; return how many ended with each outcome."""
    processes = [start(server, redis_url, SYMBOLS[n::PROCESSES], **words) for n in range(PROCESSES)]
    total: dict[str, int] = {}
    for process in processes:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        for outcome, count in orjson.loads(said.splitlines()[-1]).items():
            total[outcome] = total.get(outcome, 0) + count
    return total


@pytest.fixture
def shared_redis(redis_url: str) -> str:
    async def empty() -> None:
        redis = connect_redis(redis_url, client_name="test")
        await redis.flushdb()
        await redis.aclose()

    asyncio.run(empty())
    return redis_url


def test_four_processes_together_stay_within_the_limit_of_any_window(shared_redis: str) -> None:
    with counting(limit=20, window_s=1.0) as server:
        outcomes = ask_together(server, shared_redis, limits={"requests": 20, "window_s": 1.0, "concurrency": 3})
    assert outcomes == {"ok": len(SYMBOLS)}
    assert len(server.seen) == len(SYMBOLS)
    assert server.refused == 0
    assert server.most_in_a_window() <= 20
    assert server.most_at_once <= 3


def test_many_429s_still_end_with_every_symbol(shared_redis: str) -> None:
    # It allows less than it is taken to.
    limits = {"requests": 200, "window_s": 1.0, "concurrency": 8, "first_pause_s": 0.2, "longest_pause_s": 0.5}
    with counting(limit=12, window_s=0.5, block_s=0.4) as server:
        outcomes = ask_together(server, shared_redis, limits=limits)
    assert outcomes == {"ok": len(SYMBOLS)}
    assert server.refused > 0


def test_a_block_longer_than_the_patience_ends_rate_limited(shared_redis: str) -> None:
    with counting(limit=0, window_s=1.0, block_s=600.0) as server:
        outcomes = ask_together(server, shared_redis, limits={"requests": 50, "concurrency": 2}, patience_s=60.0)
    assert outcomes == {"rate_limited": len(SYMBOLS)}
    # Two may have been under way; from the first answer on nobody asks.
    assert len(server.seen) <= 2


def test_the_slot_of_a_killed_process_is_freed(shared_redis: str) -> None:
    limits: dict[str, Any] = {"concurrency": 1, "lease_s": 0.5}
    with counting(limit=9, window_s=1.0) as server:
        server.open.clear()
        process = start(server, shared_redis, SYMBOLS[:1], limits=limits, keep_s=0.1)
        try:
            assert server.arrived.wait(60)
            asyncio.run(hold_then_free(shared_redis, Limits(**limits), process))
        finally:
            process.kill()
            process.communicate()


async def hold_then_free(redis_url: str, limits: Limits, process: "subprocess.Popen[bytes]") -> None:
    """See that the slot is taken for as long as its holder lives, and free soon after."""
    limiter = RedisPermitStore("fake", limits, lambda: connect_redis(redis_url, client_name="test"))
    try:
        alive_until = time.monotonic() + 3 * limits.lease_s
        while time.monotonic() < alive_until:
            assert not isinstance(await limiter.acquire(), Permit)
            await asyncio.sleep(0.05)
        process.kill()
        async with asyncio.timeout(30):
            while not isinstance(await limiter.acquire(), Permit):  # noqa: ASYNC110  another process frees it
                await asyncio.sleep(0.05)
    finally:
        await limiter.close()
