"""Days on the command line, and the option `--as-of`: data as it was known at a moment."""

from datetime import date, datetime, time
from typing import Annotated

import typer

from kaboom.cli.exits import CliError, Exit
from kaboom.market.calendar import JST

AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="as known at this time, such as 2025-11-04T18:00:00+09:00, or at 00:00 in Japan of a day (default: now)",
    ),
]


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
