"""What workers answer to Celery's remote control: that they live, which queues they consume, which release they are."""

from typing import Any

from kombu.exceptions import OperationalError

from app.tasks.celery_app import celery_app, kaboom_release
from app.tasks.node import Node
from batch.errors import StoreError


def ask_nodes(timeout_s: float) -> list[Node]:
    """Ask as `celery inspect ping` and `celery inspect active_queues` do, and each that answers for its release.

    Takes the whole of `timeout_s`, since nobody knows how many there are, and up to twice that again.

    Raises:
        StoreError: the broker is away.

    """
    try:
        return _ask(timeout_s)
    except OperationalError as e:
        raise StoreError(f"the broker did not answer: {e}") from e


def _ask(timeout_s: float) -> list[Node]:
    pongs = celery_app.control.inspect(timeout=timeout_s).ping() or {}
    if not pongs:
        return []
    # Those that answered are asked by name, and no longer than until all of them have.
    terms: dict[str, Any] = {"destination": list(pongs), "timeout": timeout_s, "limit": len(pongs)}
    consumed = celery_app.control.inspect(**terms).active_queues() or {}
    replies = celery_app.control.broadcast(kaboom_release.__name__, reply=True, **terms) or []
    releases = {name: _release(answer) for reply in replies for name, answer in reply.items()}
    return [Node(name, _queues(consumed.get(name)), releases.get(name)) for name in sorted(pongs)]


def _queues(answer: Any) -> frozenset[str]:
    return frozenset(queue["name"] for queue in answer or [])


def _release(answer: Any) -> str | None:
    # An older worker answers that it knows no such question.
    return answer.get("release") if isinstance(answer, dict) else None
