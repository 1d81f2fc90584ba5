"""What a page's row says beside its blob, so that many questions need no blob."""

import numpy as np

from batch.bars.page_codec import PageColumns


def page_headers(columns: PageColumns) -> list[tuple[int | float, ...]]:
    """Return the `page_schema.HEADER` of every page, none of them empty."""
    starts, last = columns.offsets[:-1], columns.offsets[1:] - 1
    flags = columns.matrix[6]
    return list(
        zip(
            np.diff(columns.offsets).tolist(),
            columns.matrix[0, starts].tolist(),
            columns.matrix[0, last].tolist(),
            *columns.prices[:, last].tolist(),
            columns.matrix[5, last].tolist(),
            flags[last].tolist(),
            np.bitwise_or.reduceat(flags, starts).tolist(),
            np.add.reduceat(flags != 0, starts, dtype=np.int64).tolist(),
            strict=True,
        )
    )
