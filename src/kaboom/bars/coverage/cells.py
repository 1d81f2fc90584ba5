"""The states of a cell, which is one symbol in one session; importable without polars."""

from enum import StrEnum


class CellState(StrEnum):
    """The state of a cell; where several apply, the first of this list counts."""

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


#: Gaps are certain. Suspects may also be thin trading or a halt.
GAPS = (CellState.MISSING, CellState.LOST, CellState.NOT_FINAL, CellState.OUTDATED)
SUSPECTS = (CellState.SHORT, CellState.NO_AUCTION, CellState.DIFFERS)
