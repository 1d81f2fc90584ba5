"""A worker as Celery's remote control reports it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """A worker, by its Celery name; `release` is None if it was started without one."""

    name: str
    queues: frozenset[str]
    release: str | None = None
