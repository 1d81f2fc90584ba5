"""`kaboom dev new`: begins a kind of job or a provider, in a clone of the repository."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from kaboom.cli.exits import CliError, Exit
from kaboom.jobs.model import Queue

#: The root of the clone, if this is one: an installed package has neither toys nor tests.
_ROOT = Path(__file__).resolve().parents[3]

app = typer.Typer(help="Begin a kind of job or a provider, in a clone of the repository.", no_args_is_help=True)
new = typer.Typer(help="Copy a toy into the product, under a new name.", no_args_is_help=True)
app.add_typer(new, name="new")


@new.command("job")
def new_job(
    name: Annotated[str, typer.Argument(help="name of its folder, such as sample_count")],
    queue: Annotated[Queue, typer.Option(help="queue that runs it")] = Queue.MARKET_DATA,
) -> None:
    """Begin a kind of job: its folder, its test, and its lines in other files. It works at once."""
    _run("job", name, f"--queue={queue}")


@new.command("provider")
def new_provider(name: Annotated[str, typer.Argument(help="name of its folder, such as acme")]) -> None:
    """Begin a provider: its folder, a fake of its server, its tests, and its lines in other files. It works at once."""
    _run("provider", name)


def _run(*arguments: str) -> None:
    if not (_ROOT / "tests/toys/scaffold.py").is_file():
        raise CliError(Exit.USAGE, "this Kaboom was installed from a package, expected a clone: see CONTRIBUTING.md")
    done = subprocess.run([sys.executable, "-m", "tests.toys.scaffold", *arguments], cwd=_ROOT, check=False)
    raise typer.Exit(done.returncode)
