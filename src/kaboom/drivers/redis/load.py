"""The load of a Redis or Valkey, as it reports it."""

from dataclasses import dataclass

from kaboom.drivers.redis.client import Redis, ResponseError, redis_errors


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """A server's load; a value that the server does not report is None.

    Attributes:
        run_id: changes with each start of the server; "" if it is not reported.
        cpu_s: CPU seconds of the main thread, which runs all commands, since the server started.
        memory_used: bytes.
        memory_max: bytes, None without a limit.
        clients: open connections.

    """

    run_id: str = ""
    cpu_s: float | None = None
    memory_used: int | None = None
    memory_max: int | None = None
    clients: int | None = None


async def read_load(redis: Redis) -> ServerLoad:
    """Return a server's load, in one round trip; an empty one if INFO is not allowed.

    Raises:
        StoreError: the server is unavailable.

    """
    with redis_errors():
        try:
            # All sections: a Redis before 7 cannot select several.
            info = await redis.info()
        except ResponseError:
            return ServerLoad()
    # Not reported on all platforms, such as macOS.
    names = [f"used_cpu_{mode}_main_thread" for mode in ("sys", "user")]
    return ServerLoad(
        run_id=str(info.get("run_id", "")),
        cpu_s=sum(float(info[name]) for name in names) if all(name in info for name in names) else None,
        memory_used=info.get("used_memory"),
        memory_max=info.get("maxmemory") or None,
        clients=info.get("connected_clients"),
    )
