"""What a Redis or Valkey tells of its own load."""

from dataclasses import dataclass

from batch.kit.redis.client import Redis, ResponseError, redis_errors


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """A server's load as it tells it; None is what it does not tell.

    Attributes:
        run_id: new with each start of the server, and the same for whoever asks; "" where it is not told.
        cpu_s: CPU seconds of the main thread, which runs all commands, since the server started.
        memory_used: bytes.
        memory_max: bytes, None where nothing but the machine limits it.
        clients: open connections.

    """

    run_id: str = ""
    cpu_s: float | None = None
    memory_used: int | None = None
    memory_max: int | None = None
    clients: int | None = None


async def read_load(redis: Redis) -> ServerLoad:
    """Return a server's load, in one round trip; nothing of one that does not allow INFO.

    Raises:
        StoreError: it is away.

    """
    with redis_errors():
        try:
            # All of it: a Redis before 7 takes one section at a time.
            told = await redis.info()
        except ResponseError:
            return ServerLoad()
    # Not all platforms know the time of one thread: macOS does not.
    names = [f"used_cpu_{mode}_main_thread" for mode in ("sys", "user")]
    return ServerLoad(
        run_id=str(told.get("run_id", "")),
        cpu_s=sum(float(told[name]) for name in names) if all(name in told for name in names) else None,
        memory_used=told.get("used_memory"),
        memory_max=told.get("maxmemory") or None,
        clients=told.get("connected_clients"),
    )
