"""Celery's settings for its brokers and its result backend; their URLs are parsed as those of Kaboom's own clients."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from kaboom.drivers.redis.address import RedisAddress, is_redis, parse_address
from kaboom.drivers.redis.client import check_alone, connect_redis, sentinel_options
from kaboom.errors import ConfigurationError, StoreError
from kaboom.jobs.engine.message import KEY_PREFIX

_TRANSPORT: dict[str, Any] = {
    # Keep unacknowledged messages in memory only. kombu's hash in Redis costs two transactions for each message, and
    # would redeliver a killed worker's message after an hour; the reaper has sent it again after ten seconds.
    "ack_emulation": False,
    # Notices a frozen or half-open Redis within about 15 s. With 10 s each it took 31 s: kombu's own sweeps wait for
    # one time-out each on the consumer's loop before it checks the consumer.
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 5,
    "client_name": "kaboom-worker",
    "global_keyprefix": KEY_PREFIX,
}
# Without a prefix: any Celery client finds the results with the address alone.
_RESULTS: dict[str, Any] = {"retry_policy": {"timeout": 3.0}}

_log = structlog.get_logger(__name__)


def broker_options(url: str, setting: str) -> dict[str, Any]:
    """Return Celery's settings for a broker, with a transport that drops unreadable messages.

    `broker_url` is not set: Celery would replace it by CELERY_BROKER_URL of the environment, unparsed.
    """
    address = parse_address(url, setting)
    first, transport, options = _urls(address)[0], "GuardedTransport", dict(_TRANSPORT)
    if address.is_watched:
        transport = "GuardedSentinelTransport"
        options |= _of_sentinels(address) | {"sentinels": address.nodes}
    return {
        "broker_read_url": first,
        "broker_write_url": first,
        "broker_transport": f"kaboom.worker.transport:{transport}",
        "broker_transport_options": options,
    }


def result_options(url: str) -> tuple[str, dict[str, Any]]:
    """Return the address of the result backend and its options; any backend other than Redis is passed on unchanged."""
    if not is_redis(url):
        return url, {}
    address = parse_address(url, "CELERY_RESULT_BACKEND")
    return ";".join(_urls(address)), _RESULTS | (_of_sentinels(address) if address.is_watched else {})


async def check_results(url: str) -> None:
    """Reject a result backend that is a node of a Redis Cluster.

    Raises:
        ConfigurationError: the backend is a node of a cluster.

    """
    if not is_redis(url):
        return
    redis = connect_redis(url, client_name="kaboom-results")
    try:
        await check_alone(redis, "CELERY_RESULT_BACKEND")
    except StoreError as e:
        _log.warning("check_put_off", reason=e.message)
    finally:
        await redis.aclose()


def choose_broker(brokers: Mapping[str, tuple[str, str]], queues: Sequence[str]) -> tuple[str, str]:
    """Return the broker that a worker of these queues consumes from, and the setting that names it.

    No queues means all queues.

    Raises:
        ConfigurationError: the queues are on several brokers; Celery consumes from one.

    """
    wanted = [queue for queue in queues or brokers if queue in brokers] or list(brokers)
    by_url: dict[str, list[str]] = {}
    for queue in wanted:
        by_url.setdefault(brokers[queue][0], []).append(queue)
    if len(by_url) > 1:
        groups = "; ".join(f"{', '.join(group)} on that of {brokers[group[0]][1]}" for group in by_url.values())
        raise ConfigurationError(
            f"--queues named queues of {len(by_url)} brokers ({groups}), and a worker consumes from one:"
            " start a worker for each"
        )
    return brokers[wanted[0]]


def _urls(address: RedisAddress) -> list[str]:
    """Return URLs for kombu and Celery; certificates are verified unless the address turns that off."""
    options = {name: value for name, value in address.options.items() if name.startswith("ssl_")}
    if address.scheme == "rediss":
        options = {"ssl_cert_reqs": "required"} | options
    return address.urls(options)


def _of_sentinels(address: RedisAddress) -> dict[str, Any]:
    return {"master_name": address.master_name, "sentinel_kwargs": sentinel_options(address)}
