"""`kaboom doctor`: check every part, and say how to fix what is wrong."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from kaboom.catalog import CATALOG
from kaboom.cli.cleanup import closing
from kaboom.cli.doctor.finding import Finding
from kaboom.cli.doctor.machine import (
    find_api,
    find_disks,
    find_embedded,
    find_providers,
    find_python,
    find_supervisor,
    find_warned_settings,
)
from kaboom.cli.doctor.servers import find_servers
from kaboom.cli.exits import Exit
from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session
from kaboom.drivers.disk import nearest_folder, try_write
from kaboom.errors import KaboomError, StoreError
from kaboom.jobs.engine.parts import build_parts
from kaboom.settings import AppSettings, load_settings

if TYPE_CHECKING:
    from kaboom.bars.store import StoreHealth


_COLOURS = {"ok": "green", "warning": "yellow", "fault": "red"}
PART = "bar store"


def doctor(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(help="findings shown for each part; 0 and --json show all", min=0)] = 20,
    json: Json = False,
) -> None:
    """Check this machine, the servers, the workers and every stored page; exit 1 if something is wrong."""
    session: Session = context.obj.with_json(json)
    findings = asyncio.run(_examine(session))
    if not session.print_if_json([asdict(finding) for finding in findings]):
        _print(session, findings, limit)
    if any(finding.verdict == "fault" for finding in findings):
        raise typer.Exit(Exit.JOB_FAILED)


async def _examine(session: Session) -> list[Finding]:
    settings = load_settings()
    findings = [find_python(), find_embedded(), *find_disks(settings), *find_providers(settings)]
    findings += [*find_supervisor(session), find_api(session), *find_warned_settings(session)]
    try:
        parts = build_parts(_without_provider(settings), CATALOG, role="doctor")
    except KaboomError as e:
        findings.append(Finding("settings", "fault", e.message, "correct the settings that the message names"))
    else:
        async with closing(parts):
            findings += await find_servers(session, parts)
    return [*findings, *await find_bars(settings)]


def _without_provider(settings: AppSettings) -> AppSettings:
    """Return the settings with a provider that works: a missing setting of the configured one is already a finding."""
    return settings.model_copy(update={"provider": type(settings).model_fields["provider"].default})


def _print(session: Session, findings: Sequence[Finding], limit: int) -> None:
    words = session.words
    table = new_table(words, "part", "verdict", "detail", "fix")
    shown = Counter[str]()
    for finding in findings:
        shown[finding.part] += 1
        if not limit or shown[finding.part] <= limit:
            verdict = Text(words.coded("verdict", finding.verdict), _COLOURS[finding.verdict])
            add_row(table, finding.part, verdict, words.detail(finding.detail), words.detail(finding.mend))
    session.show(table)
    for part, count in shown.items():
        if limit and count > limit:
            session.say(
                "{count:,} more of {part}: `kaboom doctor --limit 0` or --json shows all",
                count=count - limit,
                part=part,
            )


async def find_bars(settings: AppSettings) -> list[Finding]:
    """Return the state of the bar store, one finding for each fault."""
    from kaboom.bars.open import build_bar_store, describe_bar_store  # noqa: PLC0415  polars, which others do without

    mend = "correct the INFLUXDB_ and KABOOM_INFLUXDB_ settings, or start the server"
    if settings.keeps_bars_in_folder:
        mend = "check the disk, and who may read the folder"
    elif settings.keeps_bars_in_postgres:
        mend = "check DATABASE_URL, start the server, or run `kaboom migrate`"
    faults = _write_faults(settings.bars_dir) if settings.keeps_bars_in_folder else []
    try:
        place = describe_bar_store(settings)
        async with closing(build_bar_store(settings)) as store:
            health = await store.verify()
    except KaboomError as e:
        return [*faults, Finding(PART, "fault", e.message, mend)]
    faults += [Finding(PART, "fault", f"{fault.where}: {fault.message}", fault.mend or mend) for fault in health.faults]
    return faults or [Finding(PART, "ok", f"{place}: {_describe(health)}, all sound")]


def _write_faults(folder: Path) -> list[Finding]:
    place = nearest_folder(folder)
    try:
        try_write(place)
    except StoreError as e:
        mend = f"free space on the disk of {place}, and let Kaboom's user write there"
        return [Finding(PART, "fault", e.message, mend)]
    return []


def _describe(health: "StoreHealth") -> str:
    pages = f"{health.pages:,} pages, {health.bytes:,} bytes, " if health.bytes is not None else ""
    return f"{pages}{health.bars:,} bars"
