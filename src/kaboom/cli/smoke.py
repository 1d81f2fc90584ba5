"""`kaboom smoke`: wait until this release works, as seen from another process."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from time import monotonic
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from kaboom.catalog import CATALOG
from kaboom.cli.exits import Exit
from kaboom.cli.local_store import closing
from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_list
from kaboom.cli.session import Session
from kaboom.errors import ConfigurationError
from kaboom.jobs.engine.health_checks import find_fault
from kaboom.jobs.engine.parts import Parts, broker_urls, build_parts
from kaboom.jobs.model import Queue
from kaboom.jobs.redis.workers import Worker
from kaboom.settings import load_settings
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
    checks = [
        Check(part, not fault, fault or words.say("answers and is healthy")) for part, fault in seen.faults.items()
    ]
    redis, broker = ("" if not seen.faults[part] else words.say("not known") for part in ("redis", "broker"))
    beating, answering = [worker.name for worker in workers], [node.name for node in nodes]
    checks += [
        Check("heartbeat", bool(workers), redis or _describe_found(words, beating, seen.workers)),
        Check("ping", bool(nodes), broker or _describe_found(words, answering, seen.nodes)),
        Check("queues", not unconsumed, broker or _describe_queues(words, sorted(unconsumed))),
    ]
    if only and (redis or broker):
        checks.append(Check("only", is_ok=False, detail=redis or broker))
    elif only:
        left = sorted(_others(seen.workers, release) | _others(seen.nodes, release))
        detail = (
            words.say("of another release: {names}", names=", ".join(left))
            if left
            else words.say("no other release is left")
        )
        checks.append(Check("only", not left, detail))
    return checks


def _describe_found(words: Speaker, found: list[str], everybody: Sequence[Worker | Node]) -> str:
    if found:
        return words.say("{count}: {names}", count=len(found), names=", ".join(sorted(found)))
    if everybody:
        releases = sorted({one.release or "-" for one in everybody})
        return words.say(
            "no worker of this release; {count} of {releases}", count=len(everybody), releases=", ".join(releases)
        )
    return words.say("no worker")


def _describe_queues(words: Speaker, unconsumed: list[str]) -> str:
    if unconsumed:
        return words.say("no worker consumes {queues}", queues=", ".join(unconsumed))
    return words.say("all {count} are consumed", count=len(Queue))


def _others(everybody: Sequence[Worker | Node], release: str | None) -> set[str]:
    """Return the workers of another release; without a release, all workers if their releases differ."""
    if release is None:
        return {one.name for one in everybody} if len({one.release for one in everybody}) > 1 else set()
    return {one.name for one in everybody if one.release != release}


_PAUSE_S = 1.0

Release = Annotated[str | None, typer.Option(envvar="KABOOM_RELEASE", help="release that the workers must have")]


def smoke(
    context: typer.Context,
    release: Release = None,
    timeout: Annotated[float, typer.Option(help="longest wait in seconds", min=0)] = 60.0,
    *,
    only: Annotated[bool, typer.Option(help="fail while a worker of another release is left")] = False,
    json: Json = False,
) -> None:
    """Check Redis, the broker, the ledger and the workers until all are healthy; exit 7 if they are not in time."""
    session: Session = context.obj.with_json(json)
    settings = load_settings()
    if settings.disable_celery:
        raise ConfigurationError("DISABLE_CELERY was true: no worker can be asked")
    begun_at = monotonic()
    checks = asyncio.run(_wait(session, release, only=only, timeout_s=timeout))
    seconds = monotonic() - begun_at
    bad = [check for check in checks if not check.is_ok]
    if session.is_json:
        results = [asdict(check) for check in checks]
        session.print_json({"is_ok": not bad, "release": release, "seconds": round(seconds, 1), "checks": results})
    else:
        session.show(_table(session.words, checks))
    if bad:
        session.say(
            "{count} of {total} checks failed after {seconds:.0f} s", count=len(bad), total=len(checks), seconds=seconds
        )
        raise typer.Exit(Exit.UNAVAILABLE)
    session.say("all {total} checks passed after {seconds:.0f} s", total=len(checks), seconds=seconds)


async def _wait(session: Session, release: str | None, *, only: bool, timeout_s: float) -> list[Check]:
    deadline = monotonic() + timeout_s
    async with closing(build_parts(load_settings(), CATALOG, role="smoke")) as parts:
        while True:
            checks = judge(await look(parts), session.words, release=release, only=only)
            if all(check.is_ok for check in checks) or monotonic() >= deadline:
                return checks
            await asyncio.sleep(_PAUSE_S)


def _table(words: Speaker, checks: list[Check]) -> Table:
    table = new_list()
    for check in checks:
        verdict = "ok" if check.is_ok else "fault"
        shown = Text(words.coded("verdict", verdict), "green" if check.is_ok else "red")
        add_row(table, check.name, shown, words.detail(check.detail))
    return table
