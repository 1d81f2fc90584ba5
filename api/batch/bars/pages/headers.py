"""The header of a page: columns beside its blob, which are enough for many queries."""

import numpy as np

from batch.bars.pages.codec import PageColumns


def page_headers(columns: PageColumns) -> list[tuple[int | float, ...]]:
    """Return the `schema.HEADER` of every page; no page may be empty."""
    starts, last = columns.offsets[:-1], columns.offsets[1:] - 1
    seconds, volume, flags = columns.seconds, columns.rows[5], columns.rows[6]
    seen = np.bitwise_or.reduceat(flags, starts)
    flagged = np.add.reduceat(flags != 0, starts, dtype=np.int64) if seen.any() else seen
    return list(
        zip(
            np.diff(columns.offsets).tolist(),
            seconds[starts].tolist(),
            seconds[last].tolist(),
            *(price[last].tolist() for price in columns.prices),
            volume[last].tolist(),
            flags[last].tolist(),
            seen.tolist(),
            flagged.tolist(),
            strict=True,
        )
    )
