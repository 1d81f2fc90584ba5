"""The checks of `kaboom smoke`."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from kaboom.jobs.engine.asking import find_fault
from kaboom.jobs.engine.parts import Parts, broker_urls
from kaboom.jobs.queues import Queue
from kaboom.jobs.redis.workers import Worker
from kaboom.text.speaker import Speaker
from kaboom.worker.node import Node

#: How long to wait for answers of workers; Celery's own command waits one second.
PING_S = 3.0
_ASK_S = 10.0

_ask = partial(find_fault, within_s=_ASK_S)


@dataclass(frozen=True, slots=True)
class Seen:
    """One observation: the fault of each part, "" for none; the workers that report; the Celery nodes that answer."""

    faults: dict[str, str]
    workers: Sequence[Worker] = ()
    nodes: Sequence[Node] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, whether it passed, and what was seen."""

    name: str
    is_ok: bool
    detail: str


async def look(parts: Parts) -> Seen:
    """Ask every part once; a part that does not answer costs only its own timeout."""
    redis, broker, ledger = await asyncio.gather(
        _ask(parts.store.check()), _ask(parts.dispatcher.try_write()), _ask(parts.history.try_write())
    )
    faults = {"redis": redis, "broker": broker, "ledger": ledger}
    faults["schema"] = ledger or await _ask(asyncio.to_thread(_check_schema, parts.settings.require_database_url()))
    workers: list[Worker] = []
    faults["redis"] = redis or await _ask(_load_workers(parts, workers))
    nodes: list[Node] = []
    faults["broker"] = broker or await _ask(_ask_nodes(parts, nodes))
    return Seen(faults, workers, nodes)


async def _load_workers(parts: Parts, found: list[Worker]) -> None:
    found += await parts.store.workers()


async def _ask_nodes(parts: Parts, found: list[Node]) -> None:
    from kaboom.worker.inspection import ask_nodes  # noqa: PLC0415  Celery costs 0.3 s, and reads the broker's address

    found += await asyncio.to_thread(ask_nodes, dict(broker_urls(parts.settings).values()), PING_S)


def _check_schema(database_url: str) -> None:
    from kaboom.cli.stack.migrate import check_schema  # noqa: PLC0415  Alembic costs 0.2 s

    check_schema(database_url)


def judge(seen: Seen, words: Speaker, *, release: str | None, only: bool) -> list[Check]:
    """Return the checks of a working Kaboom; without a release, any worker passes."""
    workers = [worker for worker in seen.workers if release in {None, worker.release}]
    nodes = [node for node in seen.nodes if release in {None, node.release}]
    unconsumed = {queue.value for queue in Queue} - {queue for node in nodes for queue in node.queues}
    checks = [Check(part, not fault, fault or words.say("smoke_answers")) for part, fault in seen.faults.items()]
    checks += [
        Check("heartbeat", bool(workers), _tell(words, [worker.name for worker in workers], seen.workers)),
        Check("ping", bool(nodes), _tell(words, [node.name for node in nodes], seen.nodes)),
        Check("queues", not unconsumed, _tell_queues(words, sorted(unconsumed))),
    ]
    if only:
        left = sorted(_others(seen.workers, release) | _others(seen.nodes, release))
        detail = words.say("smoke_left", names=", ".join(left)) if left else words.say("smoke_alone")
        checks.append(Check("only", not left, detail))
    return checks


def _tell(words: Speaker, found: list[str], everybody: Sequence[Worker | Node]) -> str:
    if found:
        return words.say("smoke_workers", count=len(found), names=", ".join(sorted(found)))
    if everybody:
        releases = sorted({one.release or "-" for one in everybody})
        return words.say("smoke_other_release", count=len(everybody), releases=", ".join(releases))
    return words.say("smoke_nobody")


def _tell_queues(words: Speaker, unconsumed: list[str]) -> str:
    if unconsumed:
        return words.say("smoke_unconsumed", queues=", ".join(unconsumed))
    return words.say("smoke_consumed", count=len(Queue))


def _others(everybody: Sequence[Worker | Node], release: str | None) -> set[str]:
    """Return the workers of another release; without a release, all workers if their releases differ."""
    if release is None:
        return {one.name for one in everybody} if len({one.release for one in everybody}) > 1 else set()
    return {one.name for one in everybody if one.release != release}
