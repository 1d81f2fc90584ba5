"""What Celery is told of its brokers and its results: addresses as our own clients read them, in kombu's words."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from app.engine.message import KEY_PREFIX
from batch.errors import ConfigurationError, StoreError
from batch.kit.redis.address import RedisAddress, parse_address
from batch.kit.redis.client import check_alone, connect_redis, sentinel_options

_TRANSPORT: dict[str, Any] = {
    # What is not acknowledged is kept in memory alone. kombu's hash in Redis costs two transactions for each message,
    # and would give a killed worker's message to another an hour later: a reaper has sent it again after ten seconds.
    "ack_emulation": False,
    # A frozen or half-open Redis is noticed within about 15 s instead of never; with 10 s each it took 31,
    # since kombu's own sweeps wait out a time-out each on the consumer's loop before it looks at the consumer.
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 5,
    "client_name": "kaboom-worker",
    "global_keyprefix": KEY_PREFIX,
}
_RESULTS: dict[str, Any] = {"retry_policy": {"timeout": 3.0}, "global_keyprefix": KEY_PREFIX}

_log = structlog.get_logger(__name__)


def broker_options(url: str, setting: str) -> dict[str, Any]:
    """Return Celery's settings of a broker, which drop what nobody can read where kombu's own would end the worker.

    `broker_url` is left alone: CELERY_BROKER_URL of the environment wins over it, as it was written.
    """
    address = parse_address(url, setting)
    first, transport, options = _urls(address)[0], "GuardedTransport", dict(_TRANSPORT)
    if address.is_watched:
        transport = "GuardedSentinelTransport"
        options |= _of_sentinels(address) | {"sentinels": address.nodes}
    return {
        "broker_read_url": first,
        "broker_write_url": first,
        "broker_transport": f"app.tasks.transport:{transport}",
        "broker_transport_options": options,
    }


def result_options(url: str) -> tuple[str, dict[str, Any]]:
    """Return the address of Celery's results and their options; of a backend that is no Redis, as it was written."""
    if not _is_redis(url):
        return url, {}
    address = parse_address(url, "CELERY_RESULT_BACKEND")
    return ";".join(_urls(address)), _RESULTS | (_of_sentinels(address) if address.is_watched else {})


async def check_results(url: str) -> None:
    """Refuse a node of a cluster: each job's own task would fail before its first line.

    Raises:
        ConfigurationError: it is one.

    """
    if not _is_redis(url):
        return
    redis = connect_redis(url, client_name="kaboom-results")
    try:
        await check_alone(redis, "CELERY_RESULT_BACKEND")
    except StoreError as e:
        _log.warning("check_put_off", reason=e.message)
    finally:
        await redis.aclose()


def choose_broker(brokers: Mapping[str, tuple[str, str]], queues: Sequence[str]) -> tuple[str, str]:
    """Return the address that a worker of some queues consumes from, and the setting that names it; none means all.

    Raises:
        ConfigurationError: the queues are on several brokers, and Celery consumes from one.

    """
    wanted = [queue for queue in queues or brokers if queue in brokers] or list(brokers)
    by_url: dict[str, list[str]] = {}
    for queue in wanted:
        by_url.setdefault(brokers[queue][0], []).append(queue)
    if len(by_url) > 1:
        groups = "; ".join(f"{', '.join(group)} on that of {brokers[group[0]][1]}" for group in by_url.values())
        raise ConfigurationError(
            f"--queues named queues of {len(by_url)} brokers ({groups}), and a worker consumes from one: start one each"
        )
    return brokers[wanted[0]]


def _is_redis(url: str) -> bool:
    scheme = url.partition("://")[0]
    return scheme in {"redis", "rediss", "sentinel"} or "cluster" in scheme


def _urls(address: RedisAddress) -> list[str]:
    """Return URLs that kombu and Celery read as redis-py does: certificates are verified unless told otherwise."""
    options = {name: value for name, value in address.options.items() if name.startswith("ssl_")}
    if address.scheme == "rediss":
        options = {"ssl_cert_reqs": "required"} | options
    return address.urls(options)


def _of_sentinels(address: RedisAddress) -> dict[str, Any]:
    return {"master_name": address.master_name, "sentinel_kwargs": sentinel_options(address)}
