"""The composition root of stores: settings to where bars and corporate actions are kept.

It imports only what it builds: a command that reads the data folder loads no InfluxDB, Redis or provider code.
"""

from functools import cache
from pathlib import Path

from kaboom.bars.actions.sqlite import SqliteActionStore
from kaboom.bars.actions.store import ActionStore
from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.store import BarStore
from kaboom.domain_settings import BatchSettings
from kaboom.market.bounds import DEFAULT_CHUNK_SIZE


def build_bar_store(settings: BatchSettings, *, points: int = DEFAULT_CHUNK_SIZE) -> BarStore:
    """Return the bar store of the settings; one for each process and place.

    `points` is the most points in one write request to InfluxDB.

    Raises:
        ConfigurationError: the settings of the server are incomplete or invalid.

    """
    if settings.keeps_bars_in_influxdb:
        from kaboom.bars.open_influx import open_influx  # noqa: PLC0415

        return open_influx(settings).with_points(points)
    if settings.keeps_bars_in_postgres:
        from kaboom.bars.open_postgres import open_postgres  # noqa: PLC0415

        return open_postgres(settings)
    if settings.bar_store == "memory":
        return _memory_store()
    return _page_store(settings.bars_dir.resolve(), history_days=settings.history_days)


def build_action_store(settings: BatchSettings) -> ActionStore:
    """Return the store of corporate actions, which are kept beside the bars.

    Raises:
        ConfigurationError: the settings of the server are incomplete or invalid.

    """
    if settings.keeps_bars_in_influxdb:
        from kaboom.bars.open_influx import open_influx_actions  # noqa: PLC0415

        return open_influx_actions(settings)
    if settings.keeps_bars_in_postgres:
        from kaboom.bars.open_postgres import open_postgres_actions  # noqa: PLC0415

        return open_postgres_actions(settings)
    if settings.bar_store == "memory":
        return _memory_actions()
    return SqliteActionStore(settings.bars_dir.resolve())


def describe_bar_store(settings: BatchSettings) -> str:
    """Return where bars are kept, for people; holds no secret.

    Raises:
        ConfigurationError: the settings of the server are incomplete or invalid.

    """
    if settings.keeps_bars_in_influxdb:
        from kaboom.bars.open_influx import influx_target  # noqa: PLC0415

        return f"InfluxDB at {influx_target(settings).url}"
    if settings.keeps_bars_in_postgres:
        from kaboom.bars.open_postgres import name_database  # noqa: PLC0415

        return name_database(settings)
    return str(settings.bars_dir)


@cache
def _memory_store() -> MemoryBarStore:
    return MemoryBarStore()


@cache
def _memory_actions() -> MemoryActionStore:
    return MemoryActionStore()


@cache
def _page_store(root: Path, *, history_days: int | None) -> PageBarStore:
    return PageBarStore(root, history_days=history_days)
