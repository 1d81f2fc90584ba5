"""`kaboom`: the command line, and the exit codes of its errors."""

import os
import sys
from collections.abc import Sequence
from functools import cache
from itertools import groupby, islice
from pathlib import Path
from typing import Annotated, Any, Literal, override

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from kaboom.cli.completion import offer_values
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.help import choose_help
from kaboom.cli.index import INDEX
from kaboom.cli.session import Session
from kaboom.drivers.printable import clean
from kaboom.errors import (
    ConfigurationError,
    Conflict,
    Forbidden,
    InvalidRequest,
    KaboomError,
    NotFound,
    StrategyFailed,
)
from kaboom.text.catalogue import choose_language, gettext
from kaboom.text.help import USAGE, say_heading
from kaboom.text.translate import translate


class LazyGroup(TyperGroup):
    """The commands of the index. Help, completion and suggestions of names use the summaries, and load no command."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        listed = {name: entry.summary for name, entry in INDEX.items() if entry.section}
        self.commands = {name: TyperCommand(name, short_help=text) for name, text in listed.items()}

    @override
    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under the headings of the index."""
        for section, listed in groupby(INDEX.items(), key=lambda item: item[1].section):
            if section:
                with formatter.section(section):
                    formatter.write_dl([(name, entry.summary) for name, entry in listed])

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that was called, loaded; also by an old name, which nothing lists."""
        if args[0] in INDEX:
            return args[0], load_command(args[0]), args[1:]
        return super().resolve_command(ctx, args)


@cache
def load_command(name: str) -> Any:
    """Return a command of the index, or a group, with completion."""
    entry = INDEX[name]
    found = entry.load(name)
    around = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        around.add_typer(found, name=name)
    else:
        settings = {"allow_extra_args": True, "ignore_unknown_options": True} if entry.takes_any else None
        around.command(name, context_settings=settings)(found)
    command = get_group(around).commands[name]
    offer_values(command)
    for child in getattr(command, "commands", {}).values():
        # The whole summary: Typer would cut it off at the end of a line.
        child.short_help = summarise(child.help or "")
    return command


def summarise(text: str) -> str:
    """Return the first paragraph of a help text, in one line."""
    return " ".join(text.partition("\n\n")[0].split())


#: Its commands are in `src/kaboom/cli/index.py`.
app = typer.Typer(
    name="kaboom",
    cls=LazyGroup,
    help="Run jobs on Japanese equity market data, with a result for every symbol.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    # Boxes cost 0.2 s of each help, and their lines are one or two columns wide on a Japanese terminal.
    rich_markup_mode=None,
)
_SWITCH, _VALUED = "--json", "--lang"


def _print_version(wanted: bool) -> None:  # noqa: FBT001  the value of a switch
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415  no command needs it

        sys.stdout.write(f"kaboom {version('kaboom-api')}\n")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    api_url: Annotated[str | None, typer.Option(help="address of the API (env: KABOOM_API_URL)")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="data folder (env: KABOOM_DATA_DIR)")] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="print data as JSON on stdout")] = False,
    version: Annotated[  # noqa: ARG001  its callback prints it
        bool, typer.Option("--version", help="print the version, and end", callback=_print_version, is_eager=True)
    ] = False,
    lang: Annotated[
        Literal["en", "ja"] | None, typer.Option(help="language of messages (env: KABOOM_LANG; default: the locale's)")
    ] = None,
) -> None:
    """Read the options that every command has."""
    # Errors are reported outside of the session, but in the same language.
    if lang is not None:
        os.environ["KABOOM_LANG"] = lang
    if data_dir is not None:
        os.environ["KABOOM_DATA_DIR"] = str(data_dir)
    context.obj = Session(api_url=api_url, data_dir=data_dir, is_json=json, language=lang)


def run_cli(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = move_to_front(sys.argv[1:] if arguments is None else arguments)
    if (named := find_language(given)) in {"en", "ja"}:
        # Help and usage errors are printed before the options are read.
        os.environ["KABOOM_LANG"] = str(named)
    choose_help(choose_language())
    try:
        code = app(given, standalone_mode=False, prog_name="kaboom")
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
        Forbidden: Exit.AUTH,
        NotFound: Exit.NOT_FOUND,
        Conflict: Exit.CONFLICT,
        StrategyFailed: Exit.JOB_FAILED,
    }
    return kinds.get(type(error), Exit.UNAVAILABLE)


def _explain(error: typer.TyperException) -> Exit:
    # A usage error shows the command's usage, or its help if no command was given; Typer has no public name for it.
    show = getattr(error, "show", None)
    # A usage error repeats the arguments, which may contain control characters.
    if show is None or clean(error.message, keep_lines=True) != error.message:
        return _fail(Exit.USAGE, error.message)
    # Without a command, the message is the help.
    if choose_language() == "ja" and not error.message.startswith(say_heading(USAGE)):
        _explain_in_japanese(error)
    else:
        show()
    return Exit.USAGE


def _explain_in_japanese(error: Any) -> None:
    fault = translate(error.format_message(), "ja")
    lines = [gettext("Error: {text}", "ja").format(text=fault), ""]
    if (context := error.ctx) is not None:
        see = gettext("Try '{command} --help' for help.", "ja").format(command=context.command_path)
        lines = [context.get_usage(), see, "", *lines]
    sys.stderr.write("\n".join(lines))


def _fail(code: Exit, message: str) -> Exit:
    if message:
        sys.stderr.write(f"kaboom: {clean(translate(message, choose_language()), keep_lines=True)}\n")
    return code


def move_to_front(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `--lang` and `--json` moved before the command, where they work for every command.

    Arguments after `--` are not moved, and neither are arguments that a command passes to another program.
    """
    if any(INDEX[word].takes_any for word in arguments if word in INDEX):
        return list(arguments)
    own, rest = list[str](), list[str]()
    left = iter(arguments)
    for word in left:
        if word == "--":
            rest += [word, *left]
        elif word == _SWITCH or word.startswith(f"{_VALUED}="):
            own.append(word)
        elif word == _VALUED:
            own += [word, *islice(left, 1)]
        else:
            rest.append(word)
    return own + rest


def find_language(arguments: Sequence[str]) -> str | None:
    """Return the value of `--lang`, or None; help needs it before the options are read."""
    left = iter(arguments)
    for word in left:
        if word == _VALUED:
            return next(left, None)
        if word.startswith(f"{_VALUED}="):
            return word.partition("=")[2]
    return None


if __name__ == "__main__":
    sys.exit(run_cli())
