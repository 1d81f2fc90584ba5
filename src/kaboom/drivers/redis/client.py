"""The home of redis-py: connections with bounded waits, and its errors translated."""

from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import structlog
from hiredis import pack_command
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.connection import HiredisRespSerializer
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.retry import Retry as BlockingRetry
from redis.sentinel import Sentinel as BlockingSentinel
from redis.typing import EncodableT

from kaboom.drivers.redis.address import NO_CLUSTER, RedisAddress, parse_address
from kaboom.errors import ConfigurationError, StoreError

#: How long one call waits for an answer.
ANSWER_S = 2.5
_CONNECTIONS = 32
#: How long to wait for a sentinel before the next one is asked.
_SENTINEL_S = 1.0
#: The policy under which Redis refuses writes when memory is short, and evicts no key.
_KEEPS = "noeviction"

_log = structlog.get_logger(__name__)
_encoder: Any = HiredisRespSerializer()

#: Names of redis-py that other modules import from here.
__all__ = ["AsyncScript", "Redis", "RedisError", "ResponseError"]


class _ResetAware(AbstractConnection):
    """A connection that raises redis-py's own ConnectionError after its peer has reset it.

    redis-py 8.1 raises the closed transport's error: RuntimeError (uvloop), AttributeError (asyncio, Python 3.13.0) or
    TypeError (3.13.5). These would not be retried.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:  # noqa: FBT001, FBT002  redis-py's signature
        try:
            await super().send_packed_command(command, check_health)
        except (RuntimeError, AttributeError, TypeError) as e:
            raise RedisConnectionError(f"the connection was lost: {e}") from e


class _HiredisEncoded(AbstractConnection):
    """A connection that encodes commands with hiredis, like redis-py's synchronous one; saves 20 µs a script."""

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        packed: list[bytes] = _encoder.pack(*args)
        return packed


class _PlainConnection(_ResetAware, _HiredisEncoded, Connection):
    pass


class _TlsConnection(_ResetAware, _HiredisEncoded, SSLConnection):
    pass


class _MasterConnection(_ResetAware, _HiredisEncoded, SentinelManagedConnection):
    pass


class _MasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """A pool of connections to the current master; closing it also closes those to the sentinels."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


def connect_redis(url: str, *, client_name: str) -> Redis:
    """Return a client of a Redis or Valkey at `url`, or of the current master of sentinels; answers are text.

    A call takes at most about 5 s: a hanging peer fails after 2.5 s. Only a dropped connection is retried (once), since
    a command that timed out may have run. A hanging sentinel adds a second.

    Raises:
        ConfigurationError: `url` is not the address of a server or of sentinels.

    """
    address = parse_address(url, "the address of Redis")
    options: dict[str, Any] = {
        # Further callers wait; redis-py's default is an error.
        "max_connections": _CONNECTIONS,
        "timeout": 2.5,
        "client_name": client_name,
        "decode_responses": True,
        "socket_connect_timeout": 2.0,
        "socket_timeout": ANSWER_S,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    }
    if address.is_watched:
        return Redis.from_pool(_follow_master(address, options))
    pool = BlockingConnectionPool.from_url(url, **options)
    is_tls = issubclass(pool.connection_class, SSLConnection)
    pool.connection_class = _TlsConnection if is_tls else _PlainConnection
    return Redis.from_pool(pool)


def _follow_master(address: RedisAddress, options: dict[str, Any]) -> _MasterPool:
    asking = sentinel_options(address) | {"retry": Retry(NoBackoff(), 0)}
    return _MasterPool(  # type: ignore[no-untyped-call]
        address.master_name,
        Sentinel(address.nodes, sentinel_kwargs=asking),  # type: ignore[no-untyped-call]
        connection_class=_MasterConnection,
        db=address.database,
        username=address.username,
        password=address.password,
        **options,
    )


def sentinel_options(address: RedisAddress) -> dict[str, Any]:
    """Return the options of a blocking client of a sentinel: one try of a second; redis-py would try eleven times."""
    return {
        "socket_timeout": _SENTINEL_S,
        "socket_connect_timeout": _SENTINEL_S,
        "password": address.sentinel_password,
        "retry": BlockingRetry(NoBackoff(), 0),
    }


def blocking_sentinels(nodes: Sequence[tuple[str, int]], options: dict[str, Any]) -> list[Any]:
    """Return redis-py's blocking clients of some sentinels; they are not connected yet."""
    return list(BlockingSentinel(nodes, sentinel_kwargs=options).sentinels)  # type: ignore[no-untyped-call]


def register_script(redis: Redis, package: str, name: str) -> AsyncScript:
    """Return a script of a package's folder `lua`, with the shared prelude before it."""
    folder = files(package) / "lua"
    return redis.register_script("".join((folder / f"{part}.lua").read_text("utf-8") for part in ("prelude", name)))


#: A script, its keys and its arguments.
type ScriptCall = tuple[AsyncScript, Sequence[str], Sequence[str | int]]


async def run_together(redis: Redis, calls: Sequence[ScriptCall]) -> list[Any]:
    """Run scripts in order, in one round trip; return their answers.

    Takes two thirds of the time of redis-py's pipeline. If Redis lacks a script, all are loaded and run again.
    """
    packed = b"".join(_pack("EVALSHA", script.sha, len(keys), *keys, *arguments) for script, keys, arguments in calls)
    try:
        return await _ask_together(redis, packed, len(calls))
    except NoScriptError:
        for text in {script.script for script, *_ in calls}:
            await redis.script_load(text)
    return await _ask_together(redis, packed, len(calls))


def _pack(*words: str | int) -> bytes:
    packed: bytes = pack_command(words)  # type: ignore[arg-type]  # its stub allows only one word
    return packed


async def _ask_together(redis: Redis, packed: bytes, count: int) -> list[Any]:
    if redis.single_connection_client and redis.connection is None:
        await redis.initialize()
    pool = redis.connection_pool
    connection = redis.connection or await pool.get_connection()  # type: ignore[no-untyped-call]

    async def go() -> list[Any]:
        await connection.send_packed_command(packed)
        return [await _read(connection) for _ in range(count)]

    try:
        answers = await connection.retry.call_with_retry(go, lambda _: connection.disconnect())
    finally:
        if connection is not redis.connection:
            await pool.release(connection)
    for answer in answers:
        if isinstance(answer, ResponseError):
            raise answer
    return list(answers)


async def _read(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as e:
        # The answers after it must be read too.
        return e


async def check_alone(redis: Redis, setting: str) -> None:
    """Reject a node of a cluster; `setting` is the setting that names it.

    Raises:
        ConfigurationError: the server is a node of a cluster.
        StoreError: the server is unavailable.

    """
    info = await _ask(redis.info("cluster"), "cluster_unknown", setting)
    if info.get("cluster_enabled"):
        raise ConfigurationError(f"{setting} names a node of a Redis Cluster (cluster_enabled:1): {NO_CLUSTER}")


async def check_server(redis: Redis, setting: str) -> None:
    """Reject a node of a cluster, and a Redis that may evict keys; `setting` is the setting that names it.

    A managed Redis that does not report its policy is accepted.

    Raises:
        ConfigurationError: the server is a node of a cluster, or may evict keys.
        StoreError: the server is unavailable.

    """
    await check_alone(redis, setting)
    info = await _ask(redis.config_get("maxmemory-policy"), "eviction_unknown", setting)
    policy = info.get("maxmemory-policy", _KEEPS)
    if policy != _KEEPS:
        message = f"maxmemory-policy of Redis was {policy}, expected {_KEEPS}: jobs could vanish"
        raise ConfigurationError(f"{message} ({setting})")


async def try_key(redis: Redis, key: str) -> None:
    """Write a key that expires within a second.

    Raises:
        StoreError: the server is unavailable, or refuses writes: it is out of memory, cannot save, or is a replica.

    """
    with redis_errors():
        await redis.set(key, "1", px=1000)


async def _ask(question: Awaitable[Any], event: str, setting: str) -> dict[str, Any]:
    with redis_errors():
        try:
            return dict(await question)
        except ResponseError as e:
            # The SELECT of a new connection failed: a node of a cluster has only one database.
            if "DB index" in str(e) or "SELECT" in str(e):
                raise ConfigurationError(f"{setting} had a database that its server refuses: {e}") from e
            _log.warning(event, setting=setting, reason=str(e))
            return {}


@contextmanager
def redis_errors() -> Iterator[None]:
    """Translate redis-py's errors to StoreError."""
    try:
        yield
    except (RedisError, OSError) as e:
        raise StoreError(f"Redis did not answer: {type(e).__name__}: {e}") from e


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
