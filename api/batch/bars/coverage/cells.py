"""What can be said of one symbol in one session, and which of it is a gap; importable without polars."""

from enum import StrEnum


class CellState(StrEnum):
    """What is to be said of one symbol in one session; the first that holds."""

    PENDING = "pending"
    MISSING = "missing"
    EMPTY = "empty"
    LOST = "lost"
    NOT_FINAL = "not_final"
    OUTDATED = "outdated"
    SHORT = "short"
    NO_AUCTION = "no_auction"
    DIFFERS = "differs"
    COMPLETE = "complete"


#: Certain to be wanting; and what only looks like it, since a thin day or a halt looks the same.
GAPS = (CellState.MISSING, CellState.LOST, CellState.NOT_FINAL, CellState.OUTDATED)
SUSPECTS = (CellState.SHORT, CellState.NO_AUCTION, CellState.DIFFERS)
