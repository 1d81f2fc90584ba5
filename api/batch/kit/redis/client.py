"""The home of redis-py: connections with bounded waits, and its errors in our words."""

from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager
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

from batch.errors import ConfigurationError, StoreError
from batch.kit.redis.address import NO_CLUSTER, RedisAddress, parse_address

_CONNECTIONS = 32
#: How long one sentinel is asked before the next.
_SENTINEL_S = 1.0
#: The policy under which Redis refuses writes when memory is short, and drops nothing.
_KEEPS = "noeviction"

_log = structlog.get_logger(__name__)
_encoder: Any = HiredisRespSerializer()

__all__ = [
    "AsyncScript",
    "Redis",
    "RedisError",
    "ResponseError",
    "ScriptCall",
    "blocking_sentinels",
    "check_alone",
    "check_server",
    "connect_redis",
    "redis_errors",
    "register_script",
    "run_together",
    "sentinel_options",
    "try_key",
]


class _Honest(AbstractConnection):
    """A connection that says it in redis-py's own words when its peer has reset it.

    redis-py 8.1 lets through what the closed transport raises: RuntimeError (uvloop), or with asyncio AttributeError
    (Python 3.13.0) or TypeError (3.13.5).
    Nobody expects these: such a command was not tried again, its caller got a 500, and a reaper ended for good.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:  # noqa: FBT001, FBT002  redis-py's signature
        try:
            await super().send_packed_command(command, check_health)
        except (RuntimeError, AttributeError, TypeError) as e:
            raise RedisConnectionError(f"the connection was lost: {e}") from e


class _Quick(AbstractConnection):
    """A connection that encodes commands by hiredis, as redis-py's synchronous one does.

    In Python a script's fifteen arguments take 20 µs, a sixth of what a submission costs.
    """

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        packed: list[bytes] = _encoder.pack(*args)
        return packed


class _PlainConnection(_Honest, _Quick, Connection):
    pass


class _TlsConnection(_Honest, _Quick, SSLConnection):
    pass


class _MasterConnection(_Honest, _Quick, SentinelManagedConnection):
    pass


class _MasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """A pool of connections to the master of the moment; when it is closed, so are those to the sentinels."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


def connect_redis(url: str, *, client_name: str) -> Redis:
    """Return a client of a Redis or Valkey at `url`, with text answers; of sentinels, one that follows the master.

    A caller waits at most about 5 s: a dead peer is refused at once, a frozen one after 2.5 s, and only
    a dropped connection is tried again (once), since a time-out may have been carried out. A sentinel that hangs adds
    a second.

    Raises:
        ConfigurationError: the address is none of a server or of sentinels.

    """
    address = parse_address(url, "the address of Redis")
    options: dict[str, Any] = {
        # Beyond these a caller waits for its turn; redis-py would answer the hundred-and-first with an error.
        "max_connections": _CONNECTIONS,
        "timeout": 2.5,
        "client_name": client_name,
        "decode_responses": True,
        "socket_connect_timeout": 2.0,
        "socket_timeout": 2.5,
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
    """Return how a blocking client asks a sentinel: for a second; redis-py would ask a dead one eleven times."""
    return {
        "socket_timeout": _SENTINEL_S,
        "socket_connect_timeout": _SENTINEL_S,
        "password": address.sentinel_password,
        "retry": BlockingRetry(NoBackoff(), 0),
    }


def blocking_sentinels(nodes: Sequence[tuple[str, int]], options: dict[str, Any]) -> list[Any]:
    """Return redis-py's blocking clients of some sentinels, not connected yet."""
    return list(BlockingSentinel(nodes, sentinel_kwargs=options).sentinels)  # type: ignore[no-untyped-call]


def register_script(redis: Redis, package: str, name: str) -> AsyncScript:
    """Return a script of a package's folder `lua`, behind the prelude that the scripts there share."""
    folder = files(package) / "lua"
    return redis.register_script("".join((folder / f"{part}.lua").read_text("utf-8") for part in ("prelude", name)))


#: A script, its keys and its arguments.
type ScriptCall = tuple[AsyncScript, Sequence[str], Sequence[str | int]]


async def run_together(redis: Redis, calls: Sequence[ScriptCall]) -> list[Any]:
    """Run scripts in their order, in one round trip; return their answers.

    A pipeline of redis-py's costs half as much again, and asks beforehand whether a script is still there; here only a
    Redis that lacks one costs a second trip, which runs all of them again.
    """
    packed = b"".join(_pack("EVALSHA", script.sha, len(keys), *keys, *arguments) for script, keys, arguments in calls)
    for is_again in (False, True):
        try:
            return await _ask_together(redis, packed, len(calls))
        except NoScriptError:
            if is_again:
                raise
        for text in {script.script for script, *_ in calls}:
            await redis.script_load(text)
    raise AssertionError  # the second turn returns or raises


def _pack(*words: str | int) -> bytes:
    packed: bytes = pack_command(words)  # type: ignore[arg-type]  # its stub allows one word alone
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
        # Those behind it are still to be read.
        return e


async def check_alone(redis: Redis, setting: str) -> None:
    """Refuse a node of a cluster; `setting` is what names it.

    Raises:
        ConfigurationError: it is one.
        StoreError: it is away.

    """
    told = await _ask(redis.info("cluster"), "cluster_unknown", setting)
    if told.get("cluster_enabled"):
        raise ConfigurationError(f"{setting} names a node of a Redis Cluster (cluster_enabled:1): {NO_CLUSTER}")


async def check_server(redis: Redis, setting: str) -> None:
    """Refuse a node of a cluster, and a Redis that may drop keys to make room; `setting` is what names it.

    What it does not tell, as managed ones do, it is trusted in.

    Raises:
        ConfigurationError: it is unfit.
        StoreError: it is away.

    """
    await check_alone(redis, setting)
    told = await _ask(redis.config_get("maxmemory-policy"), "eviction_unknown", setting)
    policy = told.get("maxmemory-policy", _KEEPS)
    if policy != _KEEPS:
        message = f"maxmemory-policy of Redis was {policy}, expected {_KEEPS}: jobs could vanish"
        raise ConfigurationError(f"{message} ({setting})")


async def try_key(redis: Redis, key: str) -> None:
    """Write a key that ends by itself within a second.

    Raises:
        StoreError: the server is away, or takes no writes: it is out of memory, cannot save, or is a replica.

    """
    with redis_errors():
        await redis.set(key, "1", px=1000)


async def _ask(question: Awaitable[Any], event: str, setting: str) -> dict[str, Any]:
    with redis_errors():
        try:
            return dict(await question)
        except ResponseError as e:
            # Of the SELECT that opens a connection: a node of a cluster has one database.
            if "DB index" in str(e) or "SELECT" in str(e):
                raise ConfigurationError(f"{setting} names a database that its server refuses: {e}") from e
            _log.warning(event, setting=setting, reason=str(e))
            return {}


@contextmanager
def redis_errors() -> Iterator[None]:
    """Translate redis-py's errors to StoreError."""
    try:
        yield
    except (RedisError, OSError) as e:
        raise StoreError(f"Redis did not answer: {type(e).__name__}: {e}") from e
