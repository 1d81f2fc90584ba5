"""Bars as they were known at a moment: the port to stores that keep replaced bars, and the choice of a moment.

The API loads it to check requests, so it does not import polars.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from kaboom.drivers.clock import Clock, utc_now
from kaboom.errors import InvalidRequest

if TYPE_CHECKING:
    from kaboom.bars.store import BarReader

#: Why InfluxDB has no bars of an earlier moment.
NOT_KEPT = (
    "as_of was given, expected none: InfluxDB overwrites a corrected bar and keeps no history; keep bars in the"
    " embedded store or in PostgreSQL (KABOOM_BAR_STORE=pages or postgres) to read them as of a moment"
)


@runtime_checkable
class HistoricalStore(Protocol):
    """A store of bars or corporate actions that keeps replaced values, with the time of each write in µs."""

    def known_at(self, moment: datetime) -> Any:
        """Return a reader of the store as it was known at a moment (aware): writes committed by then count.

        Two reads of one moment return the same, even if bars were written in between.

        Raises:
            InvalidRequest: from its methods, if the history does not reach back to the moment.

        """
        ...


def reader_at[Reader](store: Reader, as_of: datetime | None, *, clock: Clock = utc_now) -> Reader:
    """Return a reader of bars or corporate actions as known at a moment; without a moment, the store itself.

    A backtest takes `pin_moment`, keeps it in its result, and reads through this function when it runs again.

    Raises:
        InvalidRequest: the moment is in the future, has no zone, or the store keeps no history.

    """
    if as_of is None:
        return store
    check_moment(as_of, clock())
    if not isinstance(store, HistoricalStore):
        raise InvalidRequest(NOT_KEPT, pointer="/as_of")
    return cast("Reader", store.known_at(as_of))


def pin_moment(store: "BarReader", as_of: datetime | None = None) -> datetime | None:
    """Return the moment as of which a backtest reads: `as_of`, or now; None if the store keeps no history.

    Raises:
        InvalidRequest: `as_of` is in the future, has no zone, or the store keeps no history.

    """
    if as_of is not None:
        reader_at(store, as_of)
        return as_of
    return utc_now() if isinstance(store, HistoricalStore) else None


def folder_at(folder: Path, as_of: datetime | None) -> Path:
    """Return the folder of files as of a moment (aware), which is not the name of a source; without one, `folder`."""
    return folder if as_of is None else folder / f"as-of-{as_of.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"


def check_as_of(as_of: datetime | None, *, has_history: bool) -> None:
    """Check that bars can be read as of a moment, as far as this is known before they are read.

    Raises:
        InvalidRequest: the moment is in the future, has no zone, or the store keeps no history.

    """
    if as_of is not None:
        check_moment(as_of, utc_now())
        if not has_history:
            raise InvalidRequest(NOT_KEPT, pointer="/as_of")


def check_moment(as_of: datetime, now: datetime) -> None:
    """Check that a moment has a zone and is not in the future.

    Raises:
        InvalidRequest: the moment has no zone, or is in the future.

    """
    if as_of.tzinfo is None:
        raise InvalidRequest(f"as_of was {as_of.isoformat()}, expected a time with a zone", pointer="/as_of")
    if as_of > now:
        raise InvalidRequest(f"as_of was {as_of.isoformat()}, expected {now.isoformat()} or earlier", pointer="/as_of")
