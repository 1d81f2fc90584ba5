"""Whether a panel fits into memory, checked before it is built."""

from kaboom.drivers.free_memory import measure_free_memory
from kaboom.errors import InvalidRequest

#: The most bytes of the bars, the limits, the weights and a run for each bar of each symbol.
CELL_BYTES = 225
#: Smaller panels are not checked.
_SMALL = 1_000_000


def check_room(cells: int) -> None:
    """Check that there is memory for a panel of `cells` bars times symbols.

    Raises:
        InvalidRequest: there is too little memory.

    """
    if cells <= _SMALL:
        return
    needed, free = cells * CELL_BYTES, measure_free_memory()
    if needed > free:
        raise InvalidRequest(
            f"a test on {cells:,} bars takes about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free:"
            " choose fewer symbols or sessions, or longer bars"
        )
