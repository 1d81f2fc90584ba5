"""`kaboom smoke`: wait until this release works, as seen from another process."""

import asyncio
from dataclasses import asdict
from time import monotonic
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from kaboom.catalog import CATALOG
from kaboom.cli.closing import closing
from kaboom.cli.exits import Exit
from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_list
from kaboom.cli.session import Session
from kaboom.cli.smoke.checks import Check, judge, look
from kaboom.errors import ConfigurationError
from kaboom.jobs.engine.parts import build_parts
from kaboom.settings import load_settings
from kaboom.text.speaker import Speaker

_PAUSE_S = 1.0

Release = Annotated[str | None, typer.Option(envvar="KABOOM_RELEASE", help="release that the workers must have")]


def smoke(
    context: typer.Context,
    release: Release = None,
    timeout: Annotated[float, typer.Option(help="longest wait in seconds", min=0)] = 60.0,
    *,
    only: Annotated[bool, typer.Option(help="fail while a worker of another release is left")] = False,
    json: Json = False,
) -> None:
    """Check Redis, the broker, the ledger and the workers until all are healthy; exit 7 if they are not in time."""
    session: Session = context.obj.with_json(json)
    settings = load_settings()
    if settings.disable_celery:
        raise ConfigurationError("DISABLE_CELERY was true: no worker can be asked")
    begun_at = monotonic()
    checks = asyncio.run(_wait(session, release, only=only, timeout_s=timeout))
    seconds = monotonic() - begun_at
    bad = [check for check in checks if not check.is_ok]
    if session.is_json:
        results = [asdict(check) for check in checks]
        session.print_json({"is_ok": not bad, "release": release, "seconds": round(seconds, 1), "checks": results})
    else:
        session.show(_table(session.words, checks))
    if bad:
        session.say("smoke_failed", count=len(bad), total=len(checks), seconds=seconds)
        raise typer.Exit(Exit.UNAVAILABLE)
    session.say("smoke_passed", total=len(checks), seconds=seconds)


async def _wait(session: Session, release: str | None, *, only: bool, timeout_s: float) -> list[Check]:
    deadline = monotonic() + timeout_s
    async with closing(build_parts(load_settings(), CATALOG, role="smoke")) as parts:
        while True:
            checks = judge(await look(parts), session.words, release=release, only=only)
            if all(check.is_ok for check in checks) or monotonic() >= deadline:
                return checks
            await asyncio.sleep(_PAUSE_S)


def _table(words: Speaker, checks: list[Check]) -> Table:
    table = new_list()
    for check in checks:
        verdict = "ok" if check.is_ok else "fault"
        shown = Text(words.coded("verdict", verdict), "green" if check.is_ok else "red")
        add_row(table, check.name, shown, words.detail(check.detail))
    return table
