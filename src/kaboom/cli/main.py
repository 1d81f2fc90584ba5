"""`kaboom`: the command line, and the exit codes of its errors."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kaboom.cli.anywhere import find_language, move_to_front
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.help import choose_help
from kaboom.cli.lazy import LazyGroup
from kaboom.cli.session import Session
from kaboom.drivers.printable import clean
from kaboom.errors import ConfigurationError, Conflict, InvalidRequest, KaboomError, NotFound
from kaboom.text.help.say import USAGE
from kaboom.text.language import choose_language

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
        NotFound: Exit.NOT_FOUND,
        Conflict: Exit.CONFLICT,
    }
    return kinds.get(type(error), Exit.UNAVAILABLE)


def _explain(error: typer.TyperException) -> Exit:
    # A usage error shows the command's usage, or its help if no command was given; Typer has no public name for it.
    show = getattr(error, "show", None)
    # A usage error repeats the arguments, which may contain control characters.
    if show is None or clean(error.message, keep_lines=True) != error.message:
        return _fail(Exit.USAGE, error.message)
    # Without a command, the message is the help.
    if choose_language() == "ja" and not error.message.startswith(USAGE):
        _explain_in_japanese(error)
    else:
        show()
    return Exit.USAGE


def _explain_in_japanese(error: Any) -> None:
    from kaboom.text.help.faults import FAULT, SEE_HELP, say_fault  # noqa: PLC0415  with the catalogue of details

    lines = [FAULT.format(text=say_fault(error.format_message())), ""]
    if (context := error.ctx) is not None:
        lines = [context.get_usage(), SEE_HELP.format(command=context.command_path), "", *lines]
    sys.stderr.write("\n".join(lines))


def _fail(code: Exit, message: str) -> Exit:
    if message:
        if choose_language() == "ja":
            from kaboom.text.translate import translate  # noqa: PLC0415  the catalogue of details

            message = translate(message, "ja")
        sys.stderr.write(f"kaboom: {clean(message, keep_lines=True)}\n")
    return code


if __name__ == "__main__":
    sys.exit(run_cli())
