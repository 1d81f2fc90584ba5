"""Polars frames as pandas frames."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


def to_pandas(frame: "pl.DataFrame") -> "pd.DataFrame":
    """Return a frame for pandas, which must be installed; columns of numbers are not copied.

    Unlike `frame.to_pandas()` it needs no pyarrow. Times keep their zone.

    Raises:
        ModuleNotFoundError: pandas is not installed.

    """
    import pandas as pd  # noqa: PLC0415  not a dependency of Kaboom
    import polars as pl  # noqa: PLC0415  0.1 s that an import of kaboom does without

    columns = {}
    for column in frame:
        values = pd.Series(column.to_numpy(), copy=False)
        zone = column.dtype.time_zone if isinstance(column.dtype, pl.Datetime) else None
        columns[column.name] = values.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else values
    return pd.DataFrame(columns, copy=False)
