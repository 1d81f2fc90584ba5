"""kombu's Redis transports, made to drop a message that nobody can read where kombu and Celery end or loop.

In kombu 5.7.0 bytes that are not JSON end the worker ("unrecoverable error"), and a header that Celery 5.7.0 misses is
taken for a lost connection: the worker connects anew, gets the message back, and so on for ever.
"""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from celery.worker import state
from kombu.message import Message
from kombu.transport.redis import Channel, SentinelChannel, SentinelTransport, Transport

from batch.kit.redis import RedisError, blocking_sentinels

# Not kombu's own list of connection errors, which counts a KeyError among them.
_AWAY = (RedisError, OSError)

_log = structlog.get_logger(__name__)


class GuardedChannel(Channel):
    """A channel on which a bad message costs itself and nothing else."""

    def _brpop_read(self, **options: Any) -> Any:
        """Take a message; one that is not even an envelope is gone from the list, and that is all."""
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except _AWAY:
            raise
        except (ValueError, LookupError, TypeError, AttributeError) as e:
            _log.error("message_unreadable", error=_describe(e))
            return True

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,  # noqa: FBT001  kombu's signature
        callback: Callable[..., Any] | None,
        consumer_tag: str | None,
        **options: Any,
    ) -> Any:
        """Consume with a callback that fails for its own message only."""

        def guarded(message: Message) -> None:
            try:
                _check_limits(message)
                if callback:
                    callback(message)
            except _AWAY:
                raise
            except Exception as e:  # noqa: BLE001  whatever a hostile header does to Celery
                _log.error("message_rejected", queue=queue, error=_describe(e))
                _give_up(message)

        return super().basic_consume(queue, no_ack, guarded, consumer_tag, **options)


class GuardedSentinelChannel(GuardedChannel, SentinelChannel):
    """That channel, to the master that sentinels name.

    kombu takes them from the list of addresses that it goes through where one fails, and with the next address it also
    takes that one's transport, its own: after a failure nothing would be guarded any more. So it is given one address,
    and the sentinels as an option.
    """

    from_transport_options = (*SentinelChannel.from_transport_options, "sentinels")
    sentinels: Sequence[tuple[str, int]]
    sentinel_kwargs: dict[str, Any]

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002  kombu's signature
        pool = super()._sentinel_managed_pool(asynchronous)  # type: ignore[misc]
        pool.sentinel_manager.sentinels = blocking_sentinels(self.sentinels, self.sentinel_kwargs)
        return pool


class GuardedTransport(Transport):
    """The transport of the first."""

    Channel = GuardedChannel


class GuardedSentinelTransport(SentinelTransport):
    """The transport of the second."""

    Channel = GuardedSentinelChannel


def _check_limits(message: Message) -> None:
    """Refuse what Celery finds out too late: by then it has taken a process for the task, and never gives it back."""
    limits = (message.headers or {}).get("timelimit") or (None, None)
    if len(limits) != 2 or not all(limit is None or isinstance(limit, (int, float)) for limit in limits):
        raise TypeError(f"timelimit was {limits!r}, expected two numbers or nulls")


def _give_up(message: Message) -> None:
    if not message.acknowledged:
        message.reject()
    # A request that was half made would hold its process's place for ever.
    for request in [request for request in state.reserved_requests if request.message is message]:
        state.task_ready(request)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
