"""Check the bar store: whether it accepts a write, and whether pages or files are damaged."""

from pathlib import Path
from typing import TYPE_CHECKING

from kaboom.cli.closing import closing
from kaboom.cli.doctor.finding import Finding
from kaboom.drivers.disk import nearest_folder, try_write
from kaboom.errors import KaboomError, StoreError
from kaboom.settings import AppSettings

if TYPE_CHECKING:
    from kaboom.bars.store import StoreHealth

PART = "bar store"


async def find_bars(settings: AppSettings) -> list[Finding]:
    """Return the state of the bar store, one finding for each fault."""
    from kaboom.bars.open import build_bar_store, describe_bar_store  # noqa: PLC0415  polars, which others do without

    mend = "correct the INFLUXDB_ and KABOOM_INFLUXDB_ settings, or start the server"
    if not settings.keeps_bars_in_influxdb:
        mend = "check the disk, and who may read the folder"
    faults = [] if settings.keeps_bars_in_influxdb else _write_faults(settings.bars_dir)
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
