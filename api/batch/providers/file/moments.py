"""When a row is: text or typed columns to UTC instants, local days and local times."""

from pathlib import Path

import polars as pl

from batch.providers.file.errors import refuse_file
from batch.providers.file.layout import Role

_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%Y%m%d", "%d-%b-%Y", "%b %d, %Y", "%Y年%m月%d日")
_CLOCKS = ("", " %H:%M:%S%.f", " %H:%M", " %H%M", " %I:%M:%S %p", " %I:%M %p")
_NAIVE_FORMATS = tuple(day + clock for day in _DAYS for clock in _CLOCKS)
_ZONED_FORMATS = ("%Y-%m-%d %H:%M:%S%.f%z", "%Y/%m/%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M%z")
# Seconds have 9 or 10 digits between 1973 and 2286; three more for each finer unit.
_OFFSET = r"\d(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})$"
_EPOCH = r"^-?\d{9,19}(\.0*)?$"
_UNIT_DIVISORS = ((10**11, 1_000_000), (10**14, 1_000), (10**17, 1))
_EXPECTED = "a date such as 2024-11-05, 2024-11-05 09:00:00+09:00, 11/5/2024 9:00 or epoch seconds"


def parse_moments(frame: pl.DataFrame, time_zone: str, path: Path) -> pl.DataFrame:
    """Return `utc` (aware, null where the row is empty) and `local` (naive, in the time zone) for each row.

    Text without an offset is in `time_zone`; where clocks went back, the earlier of the two hours is meant.

    Raises:
        ProviderError: a row cannot be dated.

    """
    given = _join(frame)
    moments = _typed(given, time_zone) if given.dtype != pl.String() else _parse_text(given, time_zone)
    bad = moments.is_null() & given.is_not_null()
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise refuse_file(path, f"expected {_EXPECTED}, found {str(given[row])[:40]!r}", line=row + 2)
    utc = moments.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    local = utc.dt.convert_time_zone(time_zone).dt.replace_time_zone(None)
    written = pl.col("utc").dt.replace_time_zone(None) + pl.col("offset")
    is_day = written == written.dt.truncate("1d")
    return pl.DataFrame({"utc": utc, "local": local, "offset": _written_offsets(given)}).select(
        "utc", local=pl.when(is_day).then(written).otherwise("local")
    )


def _written_offsets(given: pl.Series) -> pl.Series:
    """Return the offset from UTC that each text carries, null where it carries none or that of UTC itself.

    A midnight with an offset, `2023-03-29 00:00:00+09:00`, is the 29th in whichever zone it is read; one in
    UTC says nothing of where its day is.
    """
    if given.dtype != pl.String():
        return pl.Series([None] * len(given), dtype=pl.Duration("us"))
    found = given.str.strip_chars().str.extract_groups(_OFFSET).struct.unnest()
    minutes = pl.col("hours").cast(pl.Int64()) * 60 + pl.col("minutes").cast(pl.Int64())
    signed = pl.when(pl.col("sign") == "-").then(-minutes).otherwise(minutes)
    offsets = pl.when(signed != 0).then(pl.duration(minutes=signed)).otherwise(None)
    return found.select(offsets.cast(pl.Duration("us"))).to_series()


def _join(frame: pl.DataFrame) -> pl.Series:
    if Role.MOMENT.value in frame.columns:
        return frame[Role.MOMENT.value]
    if Role.DATE.value not in frame.columns:
        return frame[Role.TIME.value]
    if Role.TIME.value not in frame.columns:
        return frame[Role.DATE.value]
    date, time = (frame[role.value].cast(pl.String()) for role in (Role.DATE, Role.TIME))
    return date.str.strip_chars() + " " + time.str.strip_chars()


def _typed(given: pl.Series, time_zone: str) -> pl.Series:
    if given.dtype == pl.Date():
        return _localise(given.cast(pl.Datetime("us")), time_zone)
    if isinstance(given.dtype, pl.Datetime):
        return given if given.dtype.time_zone else _localise(given, time_zone)
    return _parse_text(given.cast(pl.String()), time_zone)


def _parse_text(given: pl.Series, time_zone: str) -> pl.Series:
    text = given.str.strip_chars().str.replace(r"^(\d{4}\D\d{1,2}\D\d{1,2})T", "${1} ")
    present = text.drop_nulls()
    if present.is_empty():
        return pl.Series([None] * len(text), dtype=pl.Datetime("us", "UTC"))
    first = str(present[0])
    if pl.Series([first]).str.contains(_EPOCH)[0]:
        return _parse_epoch(text)
    zoned = text.str.replace("Z$", "+00:00").str.replace(r"\s+([+-]\d{2}:?\d{2})$", "${1}")
    for fmt in _ZONED_FORMATS:
        if _fits(zoned.drop_nulls()[0], fmt):
            return zoned.str.strptime(pl.Datetime("us", "UTC"), fmt, strict=False)
    for fmt in _NAIVE_FORMATS:
        if _fits(first, fmt):
            return _localise(text.str.strptime(pl.Datetime("us"), fmt, strict=False), time_zone)
    return pl.Series([None] * len(text), dtype=pl.Datetime("us", "UTC"))


def _fits(sample: str, fmt: str) -> bool:
    kind = pl.Datetime("us", "UTC") if fmt.endswith("%z") else pl.Datetime("us")
    return pl.Series([sample]).str.strptime(kind, fmt, strict=False).is_not_null().all()


def _parse_epoch(text: pl.Series) -> pl.Series:
    number = text.str.replace(r"\.0*$", "").cast(pl.Int64(), strict=False)
    largest = abs(int(number.drop_nulls()[0]))
    factor = next((factor for bound, factor in _UNIT_DIVISORS if largest < bound), None)
    micros = number * factor if factor is not None else number // 1_000
    return micros.cast(pl.Datetime("us", "UTC"))


def _localise(naive: pl.Series, time_zone: str) -> pl.Series:
    return naive.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
