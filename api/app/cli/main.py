"""`kaboom`: the command line, and the exit codes of its errors."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.backup.restore import restore as restore_command
from app.cli.backup.take import backup as backup_command
from app.cli.commands import (
    about,
    ai,
    alerts,
    jobs,
    portfolios,
    providers,
    queues,
    run,
    schedules,
    smoke,
    tokens,
    users,
    webhooks,
    workers,
)
from app.cli.data import actions, bars, coverage, files, symbols
from app.cli.doctor import command as doctor
from app.cli.exits import CliError, Exit
from app.cli.session import Session
from app.words.language import choose_language
from app.words.translate import translate
from batch.errors import ConfigurationError, Conflict, InvalidRequest, KaboomError, NotFound
from batch.kit.printable import clean

app = typer.Typer(
    name="kaboom",
    help="Run jobs on Japanese equity market data, with a result for every symbol.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
_BOXED = app.rich_markup_mode
app.command("up")(run.up)
app.command("demo")(run.demo)
app.command("serve")(run.serve)
app.command("worker", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run.worker)
app.command("migrate")(run.migrate)
app.command("backup")(backup_command)
app.command("restore")(restore_command)
app.command("doctor")(doctor.doctor)
app.command("smoke")(smoke.smoke)
app.command("coverage")(coverage.coverage)
app.command("alerts")(alerts.alerts)
app.command("workers")(workers.workers)
app.command("providers")(providers.providers)
queues.add_commands(app)
app.add_typer(ai.app, name="ai")
app.add_typer(jobs.app, name="jobs")
app.add_typer(schedules.app, name="schedules")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(portfolios.app, name="portfolio")
app.add_typer(bars.app, name="bars")
app.add_typer(files.app, name="files")
app.add_typer(actions.app, name="actions")
app.add_typer(symbols.app, name="symbols")
app.add_typer(tokens.app, name="token")
app.add_typer(users.app, name="user")
app.add_typer(about.app, name="config")
app.command("openapi")(about.openapi)


@app.callback()
def options(
    context: typer.Context,
    api_url: Annotated[str | None, typer.Option(help="address of the API (env: KABOOM_API_URL)")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="data folder (env: KABOOM_DATA_DIR)")] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="print data as JSON on stdout")] = False,
    lang: Annotated[
        Literal["en", "ja"] | None, typer.Option(help="language of messages (env: KABOOM_LANG; default: the locale's)")
    ] = None,
) -> None:
    """Read the options that every command has."""
    # Errors are reported outside of the session, in its language.
    if lang is not None:
        os.environ["KABOOM_LANG"] = lang
    if data_dir is not None:
        os.environ["KABOOM_DATA_DIR"] = str(data_dir)
    context.obj = Session(api_url=api_url, data_dir=data_dir, is_json=json, language=lang)


def run_cli(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # The lines of a box are one or two columns wide on a Japanese terminal, so help has none there.
    app.rich_markup_mode = None if choose_language() == "ja" else _BOXED
    try:
        code = app(arguments, standalone_mode=False, prog_name="kaboom")
    except CliError as e:
        return _fail(e.code, e.message)
    except KaboomError as e:
        return _fail(_exit_for(e), e.message)
    except typer.TyperException as e:
        return _explain(e)
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    return int(code) if isinstance(code, int) else Exit.OK


def _exit_for(error: KaboomError) -> Exit:
    kinds = {
        InvalidRequest: Exit.USAGE,
        ConfigurationError: Exit.USAGE,
        NotFound: Exit.NOT_FOUND,
        Conflict: Exit.CONFLICT,
    }
    return kinds.get(type(error), Exit.UNAVAILABLE)


def _explain(error: typer.TyperException) -> Exit:
    # A usage error shows the command's usage, or its help where no command was given; Typer has no public name for it.
    show = getattr(error, "show", None)
    # A usage error repeats what was typed, or pasted.
    if show is None or clean(error.message, keep_lines=True) != error.message:
        return _fail(Exit.USAGE, error.message)
    show()
    return Exit.USAGE


def _fail(code: Exit, message: str) -> Exit:
    if message:
        text = translate(message, choose_language())
        sys.stderr.write(f"kaboom: {clean(text, keep_lines=True)}\n")
    return code


def run_main() -> None:
    """Run the command of this process and end it."""
    sys.exit(run_cli())


if __name__ == "__main__":
    run_main()
