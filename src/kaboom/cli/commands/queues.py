"""`kaboom <queue> <verb>`: the commands of each queue, made from its kinds of jobs."""

from collections.abc import Callable, Mapping

import typer

from kaboom.backtest.jobs import RUN, SWEEP
from kaboom.catalog import CATALOG
from kaboom.cli.backtest.commands import run, sweep
from kaboom.cli.backtest.more import check, list_strategies, rerun
from kaboom.cli.backtest.reports import compare, report
from kaboom.cli.commands.ai import app as ai
from kaboom.cli.commands.backfill import backfill
from kaboom.cli.commands.notify import app as notify
from kaboom.cli.commands.submit import build_command
from kaboom.cli.index import describe_queue
from kaboom.ingest.jobs import BACKFILL
from kaboom.jobs.queues import Queue

#: Commands with code of their own, not made from the fields of their request.
_OWN: Mapping[str, Callable[..., None]] = {BACKFILL.name: backfill, RUN.name: run, SWEEP.name: sweep}
#: Commands of a queue that submit no job.
_MORE: Mapping[Queue, Mapping[str, Callable[..., None]]] = {
    Queue.BACKTEST: {
        "report": report,
        "compare": compare,
        "rerun": rerun,
        "check": check,
        "list": list_strategies,
    }
}


#: Queues whose commands have a module of their own, by their noun on the command line.
_NOUNS: Mapping[str, tuple[Queue, typer.Typer]] = {
    "ai": (Queue.AI_ANALYSIS, ai),
    "notify": (Queue.NOTIFICATIONS, notify),
}


def build_noun(name: str) -> typer.Typer:
    """Return the commands of a noun, and one for each further kind of job of its queue."""
    queue, group = _NOUNS[name]
    names = {command.name for command in group.registered_commands}
    for job_type in CATALOG.of(queue):
        if job_type.verb not in names:
            group.command(job_type.verb)(build_command(job_type))
    return group


def build_group(path: str) -> typer.Typer:
    """Return the commands of a queue."""
    queue = next(queue for queue in Queue if queue.path == path)
    group = typer.Typer(help=describe_queue(path), no_args_is_help=True)
    for job_type in CATALOG.of(queue):
        group.command(job_type.verb)(_OWN.get(job_type.name) or build_command(job_type))
    for verb, command in _MORE.get(queue, {}).items():
        group.command(verb)(command)
    return group
