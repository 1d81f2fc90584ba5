"""`kaboom smoke`: wait until this release works, as far as a process beside it can tell."""

import asyncio
from dataclasses import asdict
from time import monotonic
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from app.catalog import CATALOG
from app.cli.commands.smoke_checks import Check, judge, look
from app.cli.exits import Exit
from app.cli.options import Json
from app.cli.output.text import add_row
from app.cli.session import Session
from app.engine.parts import build_parts
from app.settings import load_settings
from batch.errors import ConfigurationError

_PAUSE_S = 1.0

Release = Annotated[str | None, typer.Option(envvar="KABOOM_RELEASE", help="the release that workers must be")]


def smoke(
    context: typer.Context,
    release: Release = None,
    timeout: Annotated[float, typer.Option(help="seconds to wait for it at most", min=0)] = 60.0,
    *,
    only: Annotated[bool, typer.Option(help="no worker of another release may be left")] = False,
    json: Json = False,
) -> None:
    """Ask Redis, the broker, the ledger and the workers until all is well; exit 7 where it is not in time."""
    session: Session = context.obj.with_json(json)
    settings = load_settings()
    if settings.disable_celery:
        raise ConfigurationError("DISABLE_CELERY was true: no worker can be asked")
    begun_at = monotonic()
    checks = asyncio.run(_wait(session, release, only=only, timeout_s=timeout))
    seconds = monotonic() - begun_at
    bad = [check for check in checks if not check.is_ok]
    if session.is_json:
        told = [asdict(check) for check in checks]
        session.print_json({"is_ok": not bad, "release": release, "seconds": round(seconds, 1), "checks": told})
    else:
        session.show(_table(checks))
    if bad:
        session.say("smoke_failed", count=len(bad), total=len(checks), seconds=seconds)
        raise typer.Exit(Exit.UNAVAILABLE)
    session.say("smoke_passed", total=len(checks), seconds=seconds)


async def _wait(session: Session, release: str | None, *, only: bool, timeout_s: float) -> list[Check]:
    deadline = monotonic() + timeout_s
    parts = build_parts(load_settings(), CATALOG, role="smoke")
    try:
        while True:
            checks = judge(await look(parts), session.words, release=release, only=only)
            if all(check.is_ok for check in checks) or monotonic() >= deadline:
                return checks
            await asyncio.sleep(_PAUSE_S)
    finally:
        await parts.close()


def _table(checks: list[Check]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for check in checks:
        verdict = Text("ok", "green") if check.is_ok else Text("fault", "red")
        add_row(table, check.name, verdict, check.detail)
    return table
