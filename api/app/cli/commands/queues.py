"""`kaboom <queue> <verb>`: the commands of each queue, made from its kinds of jobs."""

import typer

from app.catalog import CATALOG
from app.cli.commands.backfill import backfill
from app.cli.commands.submit import build_command
from app.ingest.jobs import BACKFILL

#: Commands that do more than their request's fields say.
_OWN = {BACKFILL.name: backfill}


def add_commands(app: typer.Typer) -> None:
    """Add a group of commands for each queue that has jobs."""
    for queue in CATALOG.queues:
        group = typer.Typer(help=f"Submit {queue.path.replace('-', ' ')} jobs.", no_args_is_help=True)
        for job_type in CATALOG.of(queue):
            group.command(job_type.verb)(_OWN.get(job_type.name) or build_command(job_type))
        app.add_typer(group, name=queue.path)
