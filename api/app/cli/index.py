"""Every command of `kaboom`: where it is defined, and its line in `kaboom --help`; no command is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from app.jobs.queues import Queue


@dataclass(frozen=True, slots=True)
class Entry:
    """A command or a group of commands.

    Attributes:
        target: `module:name` of the function or of the `typer.Typer`.
        summary: its line in `kaboom --help`: the first of the function's docstring, or the help of the group.
        is_built: whether the target makes the group, from the name of the entry.
        takes_any: whether it takes arguments and options that it does not know.

    """

    target: str
    summary: str
    is_built: bool = False
    takes_any: bool = False

    def load(self, name: str) -> Any:
        """Import the module, and return the function or the group."""
        module, _, attribute = self.target.partition(":")
        found = getattr(import_module(module), attribute)
        return found(name) if self.is_built else found


def describe_queue(path: str) -> str:
    """Return the summary of the commands of a queue."""
    return f"Submit {path.replace('-', ' ')} jobs."


def _queue(queue: Queue) -> Entry:
    target = "app.cli.commands.queues:build_group"
    return Entry(target, describe_queue(queue.path), is_built=True)


#: In the order of `kaboom --help`.
INDEX: Mapping[str, Entry] = {
    "up": Entry(
        "app.cli.commands.run:up",
        "Run the API and workers until Ctrl-C, with embedded servers if REDIS_URL or DATABASE_URL is not set.",
    ),
    "demo": Entry(
        "app.cli.commands.run:demo",
        "Start everything; ingest a day of generated 1-minute bars of all of TSE Prime,"
        " and a year of 1d bars of three.",
    ),
    "serve": Entry("app.cli.commands.run:serve", "Run only the API."),
    "worker": Entry(
        "app.cli.commands.run:worker",
        "Run a Celery worker for all five queues; further arguments go to Celery.",
        takes_any=True,
    ),
    "migrate": Entry(
        "app.cli.commands.run:migrate", "Update the ledger's schema in DATABASE_DIRECT_URL, else in DATABASE_URL."
    ),
    "backup": Entry(
        "app.cli.backup.take:backup",
        "Copy jobs, bars, corporate actions and settings to a folder, also while Kaboom runs.",
    ),
    "restore": Entry(
        "app.cli.backup.restore:restore",
        "Make a data folder from a backup; `kaboom up` continues from it. The folder must be empty or not exist.",
    ),
    "doctor": Entry(
        "app.cli.doctor.command:doctor",
        "Check this machine, the servers, the workers and every stored page; exit 1 if something is wrong.",
    ),
    "smoke": Entry(
        "app.cli.smoke.command:smoke",
        "Check Redis, the broker, the ledger and the workers until all are healthy; exit 7 if they are not in time.",
    ),
    "coverage": Entry(
        "app.cli.data.coverage:coverage", "Show how complete each session is, and which symbols lack bars."
    ),
    "alerts": Entry(
        "app.cli.commands.alerts:alerts",
        "Show what a human should look at now, each with the command to begin with.",
    ),
    "workers": Entry(
        "app.cli.commands.workers:workers",
        "Show the workers of the last 15 minutes, and the chunks that each runs now.",
    ),
    "providers": Entry(
        "app.cli.commands.providers:app",
        "Show the data providers: which are on, their limits, and which are paused; and test one.",
    ),
    "openapi": Entry("app.cli.commands.about:openapi", "Print the OpenAPI description of the HTTP API."),
    **{queue.path: _queue(queue) for queue in Queue},
    "ai": Entry(
        "app.cli.commands.ai:app", "Analyse symbols, portfolios and jobs; information only, no investment advice."
    ),
    "jobs": Entry("app.cli.commands.jobs:app", "List, show, watch, cancel and retry jobs."),
    "schedules": Entry("app.cli.commands.schedules:app", "Submit jobs automatically: after each session, or by cron."),
    "notify": Entry("app.cli.commands.notify:app", "Tell events to Slack, Discord, LINE, Teams, e-mail or webhooks."),
    "webhooks": Entry("app.cli.commands.webhooks:app", "List the webhooks of jobs, and send them again."),
    "portfolio": Entry(
        "app.cli.portfolio.commands:app", "Keep portfolios: trades, cash, positions and what they are worth."
    ),
    "bars": Entry("app.cli.data.bars:app", "Show, export, mirror and repair stored bars, and list rejected rows."),
    "files": Entry("app.cli.data.files:app", "Look at files of your own before they are ingested."),
    "actions": Entry(
        "app.cli.data.actions:app", "Splits, dividends and other corporate actions: list, confirm, reject and add them."
    ),
    "symbols": Entry("app.cli.data.symbols:app", "Find symbols, import their lists, and show when one was listed."),
    "token": Entry(
        "app.cli.commands.tokens:app",
        "Make, list, rotate and revoke tokens and webhook secrets. Values of settings are read from stdin.",
    ),
    "user": Entry("app.cli.commands.users:app", "Manage the users who log in with a password."),
    "session": Entry("app.cli.commands.sessions:app", "List and end the sessions of browsers."),
    "config": Entry("app.cli.commands.about:app", "Show the settings."),
}
