"""Asking workers through Celery's remote control for their names, their queues and their release."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from kaboom.errors import StoreError
from kaboom.worker.brokers import broker_options
from kaboom.worker.celery_app import kaboom_release
from kaboom.worker.node import Node


def ask_nodes(brokers: Mapping[str, str], timeout_s: float) -> list[Node]:
    """Ask the workers of all brokers for what `celery inspect ping` and `active_queues` show, and for their release.

    Takes `timeout_s`, since the number of workers is unknown; if any answers, up to `timeout_s` for each of two more
    questions.

    Args:
        brokers: the URL of each broker, with the setting that names it.
        timeout_s: how long to wait for answers.

    Raises:
        StoreError: a broker does not answer.

    """
    with ThreadPoolExecutor(len(brokers)) as pool:
        found = pool.map(lambda broker: _ask_broker(broker[0], broker[1], timeout_s), brokers.items())
        return sorted((node for nodes in found for node in nodes), key=lambda node: node.name)


def _ask_broker(url: str, setting: str, timeout_s: float) -> list[Node]:
    # One app for each broker: control commands always use the app's own connection pool.
    app = Celery("kaboom", set_as_current=False)
    app.conf.update(broker_options(url, setting))
    try:
        return _ask(app, timeout_s)
    except OperationalError as e:
        raise StoreError(f"the broker of {setting} did not answer: {e}") from e
    finally:
        app.close()


def _ask(app: Celery, timeout_s: float) -> list[Node]:
    pongs = app.control.inspect(timeout=timeout_s).ping()
    if not pongs:
        return []
    # Ask only workers that answered the ping, and stop when all have answered again.
    terms: dict[str, Any] = {"destination": list(pongs), "timeout": timeout_s, "limit": len(pongs)}
    consumed = app.control.inspect(**terms).active_queues() or {}
    replies = app.control.broadcast(kaboom_release.__name__, reply=True, **terms) or []
    # A worker of an older release answers with an error, which is no dict.
    releases = {name: answer for reply in replies for name, answer in reply.items() if isinstance(answer, dict)}
    queues = {name: frozenset(queue["name"] for queue in consumed.get(name) or []) for name in pongs}
    return [Node(name, queues[name], releases.get(name, {}).get("release")) for name in pongs]
