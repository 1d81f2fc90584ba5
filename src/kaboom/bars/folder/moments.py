"""Moments, and where the history of a file begins: shared by the files of a bar store."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from kaboom.bars.folder.connection import REPAIR
from kaboom.errors import InvalidRequest, StoreDamaged

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
#: The kernel rounds file times down to its last tick, so this is added to them.
_TICK_US = 1_000_000
_LAST_US = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // _US


def to_us(moment: datetime) -> int:
    """Return an aware time as microseconds since 1970."""
    return (moment - _EPOCH) // _US


def from_us(us: int) -> datetime:
    """Return microseconds since 1970 as an aware time, UTC."""
    return _EPOCH + us * _US


def find_damaged_time(us: int) -> str:
    """Return what is wrong with a stored moment; "" if a date has it, and a later one too."""
    return "" if 0 <= us < _LAST_US else f"its moment was {us} us since 1970, expected 0 to {_LAST_US}"


def check_begin(path: Path, begins: int, at: int) -> None:
    """Check that the history of a file, which begins at `begins`, reaches back to a moment.

    Raises:
        InvalidRequest: the history begins after the moment.
        StoreDamaged: no date has its begin.

    """
    check_reach("/".join(path.parts[-3:]), begins, at)


def check_reach(name: str, begins: int, at: int) -> None:
    """Check that a history of that name, which begins at `begins`, reaches back to a moment; see `check_begin`."""
    if damage := find_damaged_time(begins):
        raise StoreDamaged(f"the beginning of the history of {name} is damaged: {damage}", repair=REPAIR)
    if at < begins:
        raise InvalidRequest(
            f"as_of was {from_us(at).isoformat()}, expected {from_us(begins).isoformat()} or later: the history of"
            f" {name} begins there",
            pointer="/as_of",
        )


def moved_away(page: str, at: int) -> InvalidRequest | StoreDamaged:
    """Return the error that a repair moved a page away at a moment after the one that was asked for."""
    if damage := find_damaged_time(at):
        return StoreDamaged(f"page {page} (history) is damaged: {damage}", repair=REPAIR)
    return InvalidRequest(
        f"as_of was before {from_us(at).isoformat()}, expected then or later: a repair moved the damaged page"
        f" {page} away, and what it held before is not known",
        pointer="/as_of",
    )


def last_change_us(path: Path) -> int:
    """Return a time at which a file without history had its present content."""
    log = path.with_name(f"{path.name}-wal")
    # Readers create empty logs, which change nothing.
    parts = (path, log) if log.exists() and log.stat().st_size else (path,)
    return max(part.stat().st_mtime_ns // 1000 for part in parts) + _TICK_US
