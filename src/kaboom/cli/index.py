"""Every command of `kaboom`: where it is defined, and its line in `kaboom --help`; no command is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from kaboom.jobs.model import Queue


@dataclass(frozen=True, slots=True)
class Entry:
    """A command or a group of commands.

    Attributes:
        target: `module:name` of the function or of the `typer.Typer`.
        section: the heading in `kaboom --help` under which it stands; without one it runs, and help does not list it.
        summary: its line in `kaboom --help`: the first of the function's docstring, or the help of the group.
        is_built: whether the target makes the group, from the name of the entry.
        takes_any: whether it takes arguments and options that it does not know.

    """

    target: str
    section: str
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
    return _QUEUES[path]


def _queue(queue: Queue, section: str = "") -> Entry:
    return Entry("kaboom.cli.queues:build_group", section, describe_queue(queue.path), is_built=True)


RUN, DATA, RESEARCH, OPERATE = "Run", "Data", "Research", "Operate"
_QUEUES = {
    "ingest": "Ingest bars: the last sessions of a market, or what is missing.",
    "market-data": "Compute, refresh and compact stored market data.",
    "backtest": "Run strategies over stored bars; compare and check them.",
    "ai-analysis": "Submit analyses (old name of `kaboom ai`).",
    "notifications": "Submit deliveries (old name of `kaboom notify`).",
}
#: In the order of `kaboom --help`.
INDEX: Mapping[str, Entry] = {
    "demo": Entry(
        "kaboom.cli.run:demo",
        RUN,
        "Start everything; ingest a day of generated 1-minute bars of all of TSE Prime,"
        " and a year of 1d bars of three.",
    ),
    "up": Entry(
        "kaboom.cli.run:up",
        RUN,
        "Run the API and workers until Ctrl-C, with embedded servers if REDIS_URL or DATABASE_URL is not set.",
    ),
    "serve": Entry("kaboom.cli.run:serve", RUN, "Run only the API."),
    "worker": Entry(
        "kaboom.cli.run:worker",
        RUN,
        "Run a Celery worker for all five queues; further arguments go to Celery.",
        takes_any=True,
    ),
    "ingest": _queue(Queue.INGEST, RUN),
    "jobs": Entry("kaboom.jobs.cli:app", RUN, "List, show, watch, cancel and retry jobs."),
    "schedules": Entry("kaboom.schedules.cli:app", RUN, "Submit jobs automatically: after each session, or by cron."),
    "pipelines": Entry(
        "kaboom.pipelines.cli.pipelines:app", RUN, "Run jobs that belong together after a session, in order."
    ),
    "alerts": Entry(
        "kaboom.operations.cli:alerts",
        RUN,
        "Show what a human should look at now, each with the command to begin with.",
    ),
    "bars": Entry(
        "kaboom.market_data.cli.bars:app",
        DATA,
        "Show, export, mirror, copy and repair stored bars, and list rejected rows.",
    ),
    "coverage": Entry(
        "kaboom.market_data.cli.coverage:coverage",
        DATA,
        "Show how complete each session is, and which symbols lack bars.",
    ),
    "files": Entry("kaboom.ingest.cli:app", DATA, "Look at files of your own before they are ingested."),
    "symbols": Entry(
        "kaboom.market_data.cli.symbols:app", DATA, "Find symbols, import their lists, and show when one was listed."
    ),
    "actions": Entry(
        "kaboom.market_data.cli.actions:app",
        DATA,
        "Splits, dividends and other corporate actions: list, confirm, reject and add them.",
    ),
    "providers": Entry(
        "kaboom.operations.cli:app",
        DATA,
        "Show the data providers: which are on, their limits, and which are paused; and test one.",
    ),
    "market-data": _queue(Queue.MARKET_DATA, DATA),
    "backtest": _queue(Queue.BACKTEST, RESEARCH),
    "factors": Entry(
        "kaboom.backtest.cli.factors:app", RESEARCH, "Measure how well a column orders the returns that follow."
    ),
    "ai": Entry(
        "kaboom.cli.queues:build_noun",
        RESEARCH,
        "Analyse symbols, portfolios and jobs; information only, no investment advice.",
        is_built=True,
    ),
    "portfolio": Entry(
        "kaboom.portfolio.cli:app",
        RESEARCH,
        "Keep portfolios: trades, cash, positions and what they are worth.",
    ),
    "paper": Entry(
        "kaboom.paper.cli:app", RESEARCH, "Let a portfolio follow a strategy session by session, without orders."
    ),
    "screen": Entry(
        "kaboom.screens.cli:screen",
        RESEARCH,
        "Show the symbols that pass a condition on daily bars and indicators, by turnover.",
    ),
    "screens": Entry(
        "kaboom.screens.cli:app", RESEARCH, "Saved screens: list, show what entered and left, run, delete."
    ),
    "fundamentals": Entry(
        "kaboom.fundamentals.cli:fundamentals",
        RESEARCH,
        "Show the statements of a company as they were public at a moment, and its next announcement.",
    ),
    "doctor": Entry(
        "kaboom.cli.doctor:doctor",
        OPERATE,
        "Check this machine, the servers, the workers and every stored page; exit 1 if something is wrong.",
    ),
    "smoke": Entry(
        "kaboom.cli.smoke:smoke",
        OPERATE,
        "Check Redis, the broker, the ledger and the workers until all are healthy; exit 7 if they are not in time.",
    ),
    "workers": Entry(
        "kaboom.operations.cli:workers",
        OPERATE,
        "Show the workers of the last 15 minutes, and the chunks that each runs now.",
    ),
    "notify": Entry(
        "kaboom.cli.queues:build_noun",
        OPERATE,
        "Send events to Slack, Discord, LINE, Teams, e-mail or webhooks.",
        is_built=True,
    ),
    "webhooks": Entry("kaboom.webhooks.cli:app", OPERATE, "List the webhooks of jobs, and send them again."),
    "user": Entry("kaboom.accounts.cli:users_app", OPERATE, "Manage the users who log in with a password."),
    "session": Entry("kaboom.accounts.cli:sessions_app", OPERATE, "List and end the sessions of browsers."),
    "token": Entry(
        "kaboom.accounts.cli:tokens_app",
        OPERATE,
        "Make, list, rotate and revoke tokens and webhook secrets. Values of settings are read from stdin.",
    ),
    "config": Entry("kaboom.cli.about:app", OPERATE, "Show the settings."),
    "backup": Entry(
        "kaboom.cli.backup.take:backup",
        OPERATE,
        "Copy jobs, bars, corporate actions and settings to a folder, also while Kaboom runs.",
    ),
    "restore": Entry(
        "kaboom.cli.backup.restore:restore",
        OPERATE,
        "Make a data folder from a backup; `kaboom up` continues from it. The folder must be empty or not exist.",
    ),
    "migrate": Entry(
        "kaboom.cli.run:migrate",
        OPERATE,
        "Update the ledger's schema in DATABASE_DIRECT_URL, else in DATABASE_URL.",
    ),
    "openapi": Entry("kaboom.cli.about:openapi", OPERATE, "Print the OpenAPI description of the HTTP API."),
    "dev": Entry("kaboom.cli.dev:app", "", "Begin a kind of job or a provider, in a clone of the repository."),
    "ai-analysis": _queue(Queue.AI_ANALYSIS),
    "notifications": _queue(Queue.NOTIFICATIONS),
}
