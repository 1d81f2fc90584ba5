"""A worker as Celery's remote control tells of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """A worker by Celery's name for it; one that was started without a release tells none."""

    name: str
    queues: frozenset[str]
    release: str | None = None
