"""kombu's Redis transports, changed to drop unreadable messages, which make kombu and Celery exit, loop or hang.

With kombu 5.7.0, bytes that are not JSON end the worker ("unrecoverable error"). To Celery 5.7.0 a missing header looks
like a lost connection: the worker reconnects and gets the same message again, without end. Celery reserves a pool
process before it pickles a task. If pickling fails, as with deeply nested arguments, the process is never released;
after as many such messages as there are processes the worker takes no more messages, although it looks ready.
"""

from collections.abc import Callable, Sequence
from queue import Empty
from typing import Any

import orjson
import structlog
from celery.worker import state
from kombu.message import Message
from kombu.transport.redis import Channel, SentinelChannel, SentinelTransport, Transport

from kaboom.drivers.redis.client import RedisError, blocking_sentinels

# Not kombu's own list of connection errors, which includes KeyError.
_AWAY = (RedisError, OSError)

#: Kaboom's own messages have 1 KB, and answers to `inspect` a few KB.
MAX_BYTES = 256 * 1024

_TEXTS = {
    "lang", "task", "id", "shadow", "group", "root_id", "parent_id", "argsrepr", "kwargsrepr", "origin",
    "correlation_id", "reply_to", "delivery_tag",
}  # fmt: skip
_TYPES: dict[str, type | tuple[type, ...]] = {
    "group_index": int,
    "retries": int,
    "replaced_task_nesting": int,
    "priority": int,
    "ignore_result": bool,
    "expires": (str, int, float),
    "stamped_headers": list,
    "stamps": dict,
    "delivery_info": dict,
}

_log = structlog.get_logger(__name__)


class GuardedChannel(Channel):
    """A channel that drops bad messages and continues."""

    #: The list that the last message came from, and its size.
    _taken: tuple[str, int] = ("", 0)

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002  kombu's signature
        """Return a client that rejects large messages before they are parsed."""
        client = super()._create_client(asynchronous)  # type: ignore[misc]
        parse = client.parse_response

        def parse_response(connection: Any, command: str, **options: Any) -> Any:
            answer = parse(connection, command, **options)
            if command == "BRPOP" and answer:
                queue, message = answer
                self._taken = str(queue, errors="replace") if isinstance(queue, bytes) else str(queue), len(message)
                _check_size(len(message))
            return answer

        client.parse_response = parse_response
        return client

    def _brpop_read(self, **options: Any) -> Any:
        """Take a message, and drop it if its envelope cannot be parsed."""
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except (*_AWAY, Empty):
            raise
        except Exception as e:  # noqa: BLE001  hostile bytes can raise anything: RecursionError, MemoryError
            queue, size = self._taken
            _log.error("message_unreadable", queue=queue, size=size, error=_describe(e))
            return True

    def _receive(self) -> Any:
        """Take a broadcast message, such as `inspect ping`, and ignore it if it is bad."""
        try:
            return super()._receive()  # type: ignore[misc]
        except (*_AWAY, Empty):
            raise
        except Exception as e:  # noqa: BLE001  as above
            _log.error("broadcast_unreadable", error=_describe(e))
            return True

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,  # noqa: FBT001  kombu's signature
        callback: Callable[..., Any] | None,
        consumer_tag: str | None,
        **options: Any,
    ) -> Any:
        """Consume, and drop each message on which the callback fails."""

        def guarded(message: Message) -> None:
            try:
                _check_content(message)
                _check_types(message)
                _check_limits(message)
                if message.headers:
                    # Celery must never write the result of a step under the id of a job, whatever the sender asked for.
                    message.headers["ignore_result"] = True  # type: ignore[assignment]  # its stub allows text alone
                if callback:
                    callback(message)
            except _AWAY:
                raise
            except Exception as e:  # noqa: BLE001  a hostile header can raise anything in Celery
                _log.error("message_rejected", queue=queue, size=self._taken[1], error=_describe(e))
                _give_up(message)

        return super().basic_consume(queue, no_ack, guarded, consumer_tag, **options)


class GuardedSentinelChannel(GuardedChannel, SentinelChannel):
    """The same channel, connected to the master that sentinels name.

    kombu reads the sentinels from its list of alternative addresses. When one fails it goes to the next, with that
    address's own transport, which is not guarded. So it gets one address, and the sentinels as an option.
    """

    from_transport_options = (*SentinelChannel.from_transport_options, "sentinels")
    sentinels: Sequence[tuple[str, int]]
    sentinel_kwargs: dict[str, Any]

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002  kombu's signature
        pool = super()._sentinel_managed_pool(asynchronous)  # type: ignore[misc]
        pool.sentinel_manager.sentinels = blocking_sentinels(self.sentinels, self.sentinel_kwargs)
        return pool


class GuardedTransport(Transport):
    """The transport of `GuardedChannel`."""

    Channel = GuardedChannel


class GuardedSentinelTransport(SentinelTransport):
    """The transport of `GuardedSentinelChannel`."""

    Channel = GuardedSentinelChannel


def give_back_slots(worker: Any) -> None:
    """Make a worker release the pool process that it reserved for a task if it then fails to send the task there.

    Celery 5.7.0 does that only for revoked tasks; after as many failures as it has processes it takes no more messages.
    """
    process_task, release = worker._process_task, getattr(worker, "_quick_release", None)  # noqa: SLF001  no public name

    def guarded(request: Any) -> None:
        try:
            process_task(request)
        except Exception:
            if release:
                release()
            raise

    worker._process_task = guarded  # noqa: SLF001


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise ValueError(f"the message had {size} bytes, expected at most {MAX_BYTES}")


def _check_content(message: Message) -> None:
    """Reject a message that is not plain JSON: another type, compressed, or nested too deeply to be pickled.

    Raises:
        ValueError: the message is not plain JSON. orjson accepts at most 254 levels and numbers of 64 bits.

    """
    content = (message.content_type, str(message.content_encoding).lower())
    if content != ("application/json", "utf-8"):
        raise ValueError(f"content type and encoding were {content!r:.100}, expected application/json and utf-8")
    headers = message.headers or {}
    if headers.get("compression"):
        raise ValueError("the message was compressed")
    if headers.get("eta"):
        raise ValueError("the message was for later (eta), and would be kept in memory until then")
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
    orjson.dumps([headers, message.properties, orjson.loads(body)])


def _check_types(message: Message) -> None:
    """Reject headers and properties whose types differ from those of Celery's protocol 2."""
    for part in (message.headers or {}, message.properties):
        for name, value in part.items():
            types = str if name in _TEXTS else _TYPES.get(name, object)
            if value is not None and not isinstance(value, types):
                raise TypeError(f"{name} was {value!r:.80}, expected {types}")
    if (message.headers or {}).get("stamped_headers"):
        raise ValueError("the message was stamped")


def _check_limits(message: Message) -> None:
    """Reject bad time limits; Celery checks them after it has reserved a process, and then never releases it."""
    limits = (message.headers or {}).get("timelimit") or (None, None)
    if len(limits) != 2 or not all(
        limit is None or (isinstance(limit, (int, float)) and limit >= 1) for limit in limits
    ):
        raise TypeError(f"timelimit was {limits!r:.100}, expected two numbers from 1 or nulls")


def _give_up(message: Message) -> None:
    if not message.acknowledged:
        message.reject()
    # Otherwise a partly created request keeps its process reserved until the worker ends.
    for request in [request for request in state.reserved_requests if request.message is message]:
        state.task_ready(request)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
