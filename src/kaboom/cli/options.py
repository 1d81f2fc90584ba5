"""Options that several commands share, and how days and times are read."""

from collections.abc import Callable
from datetime import date, datetime, time
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from kaboom.cli.exits import CliError, Exit
from kaboom.market.calendar import JST

Json = Annotated[bool, typer.Option("--json", help="print data as JSON on stdout")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="data folder (env: KABOOM_DATA_DIR)")]
Port = Annotated[int, typer.Option(help="port of the API on this machine", min=1, max=65535)]
Workers = Annotated[int, typer.Option(help="worker processes, each with its own pool", min=1, max=64)]
Concurrency = Annotated[int, typer.Option(help="pool size of each worker", min=1, max=64)]
Source = Annotated[str | None, typer.Option(help="source of the bars, such as synthetic")]
IntervalName = Annotated[str, typer.Option(help="1m, 5m, 15m, 1h or 1d")]

#: Options of every command that submits a job.
Symbols = Annotated[list[str] | None, typer.Option("--symbol", help="only this symbol (repeatable)")]
Provider = Annotated[str | None, typer.Option(help="data provider (default: the server's)")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="a word by which to find the job later (repeatable)")]
Callback = Annotated[str | None, typer.Option(help="URL to which the server posts a webhook when the job ends")]
Wait = Annotated[bool, typer.Option(help="follow the job until it ends")]
Timeout = Annotated[float | None, typer.Option(help="longest wait in seconds")]
#: An option of jobs on a market.
MarketName = Annotated[str, typer.Option(help="TSE_PRIME, TSE_STANDARD, TSE_GROWTH, INDEX or FILE")]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="as known at this time, such as 2025-11-04T18:00:00+09:00, or at 00:00 in Japan of a day (default: now)",
    ),
]


def given(**values: Any) -> dict[str, Any]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def take(shared: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make the fields of a dataclass options of a command, which gets them as its parameter `shared`.

    Typer reads the options of a command from its signature alone.
    """
    fields = signature(shared, eval_str=True).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def call(**values: Any) -> None:
            command(shared=shared(**{name: values.pop(name) for name in fields}), **values)

        parameters = list[Parameter]()
        for name, parameter in signature(command, eval_str=True).parameters.items():
            parameters += fields.values() if name == "shared" else [parameter]
        options = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in parameters]
        call.__signature__ = signature(command).replace(parameters=options)  # type: ignore[attr-defined]
        call.__annotations__ = {option.name: option.annotation for option in options}
        call.__name__, call.__doc__ = command.__name__, command.__doc__
        return call

    return decorate


def parse_as_of(text: str | None) -> datetime | None:
    """Return the moment of `--as-of` with its time zone; a day means its beginning in Japan.

    Raises:
        CliError: the text is neither a day nor a time with its zone.

    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if len(text) == len("2025-11-04"):
            moment = datetime.combine(date.fromisoformat(text), time(), JST)
    except ValueError as e:
        raise CliError(Exit.USAGE, f"--as-of was {text[:40]!r}, expected a day, or a time with its zone") from e
    if moment.tzinfo is None:
        raise CliError(Exit.USAGE, f"--as-of was {text[:40]!r}, expected a day, or a time with its zone")
    return moment


def parse_day(text: str, name: str) -> date:
    """Return the day of an option or argument; `name` is what the error calls it.

    Raises:
        CliError: the text is no day.

    """
    try:
        return date.fromisoformat(text)
    except ValueError as e:
        raise CliError(Exit.USAGE, f"{name} was {text[:20]!r}, expected YYYY-MM-DD") from e
