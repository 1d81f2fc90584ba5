"""The home of redis-py: connections with bounded waits, and its errors in our words."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.connection import HiredisRespSerializer
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.typing import EncodableT

from batch.errors import ConfigurationError, StoreError

_CONNECTIONS = 32
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
    "check_eviction",
    "connect_redis",
    "redis_errors",
    "register_script",
    "run_together",
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


def connect_redis(url: str, *, client_name: str) -> Redis:
    """Return a client of a Redis or Valkey at `url`, with text answers.

    A caller waits at most about 5 s: a dead peer is refused at once, a frozen one after 2.5 s, and only
    a dropped connection is tried again (once), since a time-out may have been carried out.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        # Beyond these a caller waits for its turn; redis-py would answer the hundred-and-first with an error.
        max_connections=_CONNECTIONS,
        timeout=2.5,
        client_name=client_name,
        decode_responses=True,
        socket_connect_timeout=2.0,
        socket_timeout=2.5,
        socket_keepalive=True,
        health_check_interval=10,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
    is_tls = issubclass(pool.connection_class, SSLConnection)
    pool.connection_class = _TlsConnection if is_tls else _PlainConnection
    return Redis.from_pool(pool)


def register_script(redis: Redis, package: str, name: str) -> AsyncScript:
    """Return a script of a package's folder `lua`, behind the prelude that the scripts there share."""
    folder = files(package) / "lua"
    return redis.register_script("".join((folder / f"{part}.lua").read_text("utf-8") for part in ("prelude", name)))


#: A script, its keys and its arguments.
type ScriptCall = tuple[AsyncScript, Sequence[str], Sequence[str | int]]


async def run_together(redis: Redis, calls: Sequence[ScriptCall]) -> list[Any]:
    """Run scripts in their order, in one round trip; return their answers.

    redis-py asks before each pipeline whether a script is still there; here only a Redis that lacks one costs a
    second trip, which runs all of them again.
    """
    for is_again in (False, True):
        async with redis.pipeline(transaction=False) as pipe:
            for script, keys, arguments in calls:
                pipe.evalsha(script.sha, len(keys), *keys, *arguments)
            try:
                return list(await pipe.execute())
            except NoScriptError:
                if is_again:
                    raise
        for text in {script.script for script, *_ in calls}:
            await redis.script_load(text)
    raise AssertionError  # the second turn returns or raises


async def check_eviction(redis: Redis) -> None:
    """Refuse a Redis that may drop keys to make room; one that does not tell, as managed ones do, is trusted.

    Raises:
        ConfigurationError: it evicts.
        StoreError: it is away.

    """
    with redis_errors():
        try:
            told = await redis.config_get("maxmemory-policy")
        except ResponseError as e:
            _log.warning("eviction_unknown", reason=str(e))
            return
    policy = told.get("maxmemory-policy", _KEEPS)
    if policy != _KEEPS:
        raise ConfigurationError(f"maxmemory-policy of Redis was {policy}, expected {_KEEPS}: jobs could vanish")


@contextmanager
def redis_errors() -> Iterator[None]:
    """Translate redis-py's errors to StoreError."""
    try:
        yield
    except (RedisError, OSError) as e:
        raise StoreError(f"Redis did not answer: {type(e).__name__}: {e}") from e
