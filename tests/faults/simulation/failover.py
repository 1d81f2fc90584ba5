"""A copy of all that the simulated Redis holds, to go back to."""

from collections import Counter, deque
from collections.abc import Iterable, MutableSequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from kaboom.jobs.redis.memory import MemoryJobStore
from kaboom.jobs.redis.store import ChunkRef


@dataclass(frozen=True)
class Backup:
    """What the Redis held at one moment."""

    records: dict[Any, Any]
    events: dict[Any, Any]
    newest: dict[str, list[str]]
    unsettled: tuple[Any, ...]
    messages: tuple[ChunkRef, ...]
    epoch: bool
    claims: Counter[ChunkRef]
    workers: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_nothing(cls) -> Self:
        """Return the copy of an empty Redis."""
        return cls({}, {}, {}, (), (), epoch=False, claims=Counter())

    @classmethod
    def of(cls, store: MemoryJobStore, messages: Iterable[ChunkRef], claims: Counter[ChunkRef]) -> Self:
        """Copy what there is."""
        records = {key: _copy(record) for key, record in store._records.items()}
        events = {key: deque(kept, kept.maxlen) for key, kept in store.events._feeds.items()}
        newest = {queue: list(ids) for queue, ids in store._newest.items()}
        unsettled = tuple(store._unsettled)
        counted, workers = claims.copy(), dict(store._workers)
        return cls(
            records, events, newest, unsettled, tuple(messages), epoch=store._epoch, claims=counted, workers=workers
        )

    def restore(self, store: MemoryJobStore, messages: MutableSequence[ChunkRef]) -> None:
        """Put the copy in place of what there is; fences grow on, as those of Redis do, which hold its time."""
        store._records.clear()
        store._records.update({key: _copy(record) for key, record in self.records.items()})
        store.events._feeds.clear()
        store.events._feeds.update({key: deque(kept, kept.maxlen) for key, kept in self.events.items()})
        store._newest.clear()
        store._newest.update({queue: list(ids) for queue, ids in self.newest.items()})
        store._unsettled.clear()
        store._unsettled.update(dict.fromkeys(self.unsettled))
        store._epoch = self.epoch
        store._workers.clear()
        store._workers.update(self.workers)
        messages.clear()
        messages.extend(self.messages)


def _copy(record: Any) -> Any:
    return replace(record, slots={n: replace(slot) for n, slot in record.slots.items()})
