"""Years of Japan's eras and of two digits, written out; pure."""

import polars as pl

#: Era → the year before its first; its first and its last day.
_ERAS = {
    "令": (2018, 20190501, 99991231),
    "平": (1988, 19890108, 20190430),
    "昭": (1925, 19261225, 19890107),
}
_LETTERS = {"R": "令", "H": "平", "S": "昭"}
_ERA = (
    r"^(?P<era>[令平昭RHSrhs])[和成]?\s*(?P<year>\d{1,2}|元)[年/\-.]\s*(?P<month>\d{1,2})[月/\-.]\s*(?P<day>\d{1,2})日?"
    r"(?P<rest>(\s.*)?)$"
)
_SHORT = r"^(?P<y>\d{1,2})[/\-.](?P<m>\d{1,2})[/\-.](?P<d>\d{1,2})(?P<rest>(\s.*)?)$"
_NAMED = r"^(\d{1,2})[- ]([A-Za-z]{3})[- ]([0-6]\d)((?:\s.*)?)$"
#: Two digits from here on are of the 20th century.
_PIVOT = 70

OUT_OF_ERA = "era"


def expand_eras(given: pl.DataFrame) -> pl.DataFrame:
    """Return rows with `plain` in years of four digits instead of 令和6年5月1日, R6/5/1 or H31.4.30.

    `fault` is OUT_OF_ERA for a day that its era does not have, such as H31/5/1.
    """
    parts = given["plain"].str.extract_groups(_ERA).struct.unnest()
    if parts["era"].null_count() == parts.height:
        return given
    era = parts["era"].str.to_uppercase().replace(_LETTERS)
    base, first, last = (era.replace_strict({k: v[n] for k, v in _ERAS.items()}, default=None) for n in range(3))
    year = base + parts["year"].replace("元", "1").cast(pl.Int64, strict=False)
    month, day = (parts[name].cast(pl.Int64, strict=False) for name in ("month", "day"))
    number = year * 10_000 + month * 100 + day
    long = pl.DataFrame({"year": year, "month": month, "day": day, "rest": parts["rest"]}).select(
        pl.format("{}-{}-{}{}", "year", "month", "day", "rest")
    )
    return given.with_columns(
        plain=pl.coalesce(long.to_series(), pl.col("plain")),
        fault=pl.when((number < first) | (number > last)).then(pl.lit(OUT_OF_ERA)).otherwise("fault"),
    )


def expand_short(given: pl.DataFrame, order: str | None) -> pl.DataFrame:
    """Return rows with `plain` in years of four digits instead of 24/11/05, by its order, and `is_short`.

    Without an order, or with a year of one digit, the text is left as it is.
    """
    parts = given["plain"].str.extract_groups(_SHORT).struct.unnest()
    first, second, third = (parts[name] for name in ("y", "m", "d"))
    year, month, day = {"mdy": (third, first, second), "dmy": (third, second, first)}.get(
        order or "", (first, second, third)
    )
    if order in {"dmy", "mdy"}:  # 05-Nov-24
        named = pl.col("plain").str.replace(_NAMED, "${1}-${2}-20${3}${4}")
        given = given.with_columns(plain=named)
    is_short = year.is_not_null() & (year.str.len_chars() == 2) & (order is not None)
    number = year.cast(pl.Int64, strict=False)
    long = pl.DataFrame({"month": month, "day": day, "rest": parts["rest"]}).select(
        pl.format("{}-{}-{}{}", number + pl.when(number < _PIVOT).then(2000).otherwise(1900), "month", "day", "rest")
    )
    return given.with_columns(
        plain=pl.when(is_short).then(long.to_series()).otherwise("plain"), is_short=is_short.fill_null(value=False)
    )
