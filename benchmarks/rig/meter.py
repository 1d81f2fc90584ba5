"""What a Valkey has done between two looks: commands, CPU, bytes on the wire, bytes in memory."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis


@dataclass(frozen=True, slots=True)
class Look:
    """Counters of a Valkey at a moment."""

    at_s: float
    calls: Mapping[str, int]
    reads: int
    cpu_s: float
    wire_bytes: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Spent:
    """The difference of two looks.

    Attributes:
        commands: those that scripts called among them.
        trips: reads from clients' sockets, about one for each round trip; a pipeline is one.

    """

    seconds: float
    commands: float
    trips: float
    cpu_ms: float
    wire_bytes: float
    memory_bytes: float

    def minus(self, idle: "Spent") -> "Spent":
        """Return it without what an idle system spends in the same time; memory stays as it is."""
        share = self.seconds / idle.seconds
        return Spent(
            self.seconds,
            self.commands - idle.commands * share,
            self.trips - idle.trips * share,
            self.cpu_ms - idle.cpu_ms * share,
            self.wire_bytes - idle.wire_bytes * share,
            self.memory_bytes,
        )

    def less(self, other: "Spent") -> "Spent":
        """Return the difference."""
        return Spent(*(mine - theirs for mine, theirs in zip(self.values(), other.values(), strict=True)))

    def each(self, count: float) -> "Spent":
        """Return the share of one of `count`."""
        return Spent(*(value / count for value in self.values()))

    def values(self) -> tuple[float, ...]:
        """Return the numbers, in the order of the attributes."""
        return (self.seconds, self.commands, self.trips, self.cpu_ms, self.wire_bytes, self.memory_bytes)


def look(valkey: Redis) -> Look:
    """Read the counters."""
    told: Any = valkey.info("everything")
    commands: Any = valkey.info("commandstats")
    return Look(
        at_s=time.monotonic(),
        calls={name: int(stat["calls"]) for name, stat in commands.items()},
        reads=int(told["total_reads_processed"]),
        cpu_s=float(told["used_cpu_user"]) + float(told["used_cpu_sys"]),
        wire_bytes=int(told["total_net_input_bytes"]) + int(told["total_net_output_bytes"]),
        memory_bytes=int(told["used_memory"]),
    )


def spent(before: Look, after: Look) -> Spent:
    """Return what was done between two looks."""
    return Spent(
        after.at_s - before.at_s,
        sum(after.calls.values()) - sum(before.calls.values()),
        after.reads - before.reads,
        (after.cpu_s - before.cpu_s) * 1000,
        after.wire_bytes - before.wire_bytes,
        after.memory_bytes - before.memory_bytes,
    )


def while_doing(valkey: Redis, work: Callable[[], object]) -> Spent:
    """Return what was done while some work went on."""
    before = look(valkey)
    work()
    return spent(before, look(valkey))
