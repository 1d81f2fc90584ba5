"""Parsing times: the wall clock, the offset from UTC, or why a text is refused; each distinct text once; pure."""

import polars as pl

_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d-%b-%Y", "%b %d, %Y", "%Y年%m月%d日", "%Y.%m.%d", "%d %b %Y", "%B %d, %Y")
_CLOCKS = ("", " %H:%M:%S%.f", " %H:%M", " %H%M", " %H%M%S", " %I:%M:%S %p", " %I:%M %p")
_FORMATS = tuple(day + clock for day in _DAYS for clock in _CLOCKS)
_NAIVE = pl.Datetime("us")
# Seconds have 9 or 10 digits between 1973 and 2286; three more for each finer unit.
_EPOCH = r"^-?\d{9,19}(\.0*)?$"
_UNIT_DIVISORS = ((10**11, 1_000_000), (10**14, 1_000), (10**17, 1))
#: 202411050900 or 20241105090000.
_DIGITS = r"^((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])([0-5]\d)([0-5]\d)?$"
_OFFSET = r"\d\s*(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})$"
_TWO_DIGITS = (
    r"^(\d{1,2}[/\-.]\d{1,2}[/\-.]\d{1,2}|\d{1,2}年.*|\d{1,2}[- ][A-Za-z]{3}[- ]\d{2}|[A-Za-z]{3} \d{1,2}, \d{2}"
    r"|\d{6})(\s.*)?$"
)
_NUMBERED = r"^(?P<one>\d{1,2})[/\-.](?P<two>\d{1,2})[/\-.](?P<year>\d{4})(?P<rest>(\s.*)?)$"

#: Nothing was traded before; 113/05/01 is a year of Taiwan's calendar.
_FIRST_YEAR = 1800

TWO_DIGITS, UNREADABLE = "two_digits", "unreadable"
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


def read_times(texts: pl.Series, short: str | None = None) -> pl.DataFrame:
    """Return the times in some distinct texts, in their order; `short` is the order of 24/11/05, None to refuse it.

    Columns: `text`; `wall`, naive, by the text's own clock; `offset`, minutes ahead of UTC, null if there is none;
    `one` and `two`, the first numbers of 11/5/2024, whose order only other dates of the file show, with `swapped`, the
    time if the day comes first; `is_short`, whether the year was of two digits; `fault`, why it is refused.
    """
    text = pl.col("text").str.normalize("NFKC").str.strip_chars()
    given = pl.DataFrame({"text": texts}).with_columns(
        plain=text.str.replace(r"^(\d{4}\D\d{1,2}\D\d{1,2})T", "${1} "), fault=pl.lit(None, dtype=pl.String)
    )
    given = expand_short(expand_eras(given.with_columns(_plain_clock(pl.col("plain")))), short)
    plain = pl.col("plain")
    given = given.with_columns(
        pl.when(plain.str.contains(_TWO_DIGITS)).then(pl.lit(TWO_DIGITS)).otherwise("fault").alias("fault"),
        is_epoch=plain.str.contains(_EPOCH),
        offset=_offset(plain),
    )
    parts = given["plain"].str.extract_groups(_NUMBERED).struct.unnest()
    given = given.with_columns(parts.select(pl.col("one", "two").cast(pl.Int32), "year", "rest"))
    return _parse(given).select("text", "wall", "offset", "one", "two", "swapped", "is_short", "fault")


def _plain_clock(plain: pl.Expr) -> pl.Expr:
    """Return texts such as 2024/11/05(火) 午後1:05, 202411050900 and 20241105.0 as other files have them.

    If one text of so many digits cannot be a day and a clock, all of them are epochs.
    """
    text = plain.str.replace(r"(\d日?) ?\([日月火水木金土]\)", "${1}")
    text = text.str.replace(r"^((?:19|20)\d{6})\.0$", "${1}")
    text = text.str.replace(r"午前 ?(\d{1,2}:\d\d(?::\d\d)?)$", "${1} AM")
    text = text.str.replace(r"午後 ?(\d{1,2}:\d\d(?::\d\d)?)$", "${1} PM")
    is_clock = (text.str.contains(_DIGITS) | ~text.str.contains(r"^(\d{12}|\d{14})$")).all()
    spelled = text.str.replace(_DIGITS, "${1}-${2}-${3} ${4}:${5}:${6}").str.strip_suffix(":")
    return pl.when(is_clock).then(spelled).otherwise(text)


def _offset(plain: pl.Expr) -> pl.Expr:
    groups = plain.str.extract_groups(_OFFSET)
    minutes = groups.struct["hours"].cast(pl.Int32) * 60 + groups.struct["minutes"].cast(pl.Int32)
    signed = pl.when(groups.struct["sign"] == "-").then(-minutes).otherwise(minutes)
    # A day such as 14-04-2023 ends like an offset, but has no clock.
    with_clock = pl.when(plain.str.contains(":")).then(signed)
    return pl.when(plain.str.ends_with("Z") | plain.str.contains(_EPOCH)).then(0).otherwise(with_clock)


def _parse(given: pl.DataFrame) -> pl.DataFrame:
    plain, is_free = pl.col("plain"), pl.col("fault").is_null()
    without = plain.str.replace(r"(Z|\s*[+-]\d{2}:?\d{2})$", "")
    naive = pl.when(pl.col("offset").is_null()).then(plain).otherwise(without)
    mdy = pl.format("{}-{}-{}{}", "year", "one", "two", "rest")
    dmy = pl.format("{}-{}-{}{}", "year", "two", "one", "rest")
    texts = given.select(
        first=pl.when(is_free & ~pl.col("is_epoch")).then(pl.when(pl.col("one").is_null()).then(naive).otherwise(mdy)),
        second=pl.when(is_free & pl.col("one").is_not_null()).then(dmy),
    )
    wall, swapped = parse_naive(texts["first"]), parse_naive(texts["second"])
    given = given.with_columns(wall, swapped.alias("swapped"))
    given = given.with_columns(wall=pl.when("is_epoch").then(_from_epoch(plain)).otherwise("wall"))
    is_unread = is_free & pl.col("wall").is_null() & pl.col("swapped").is_null() & pl.col("text").is_not_null()
    return given.with_columns(fault=pl.when(is_unread).then(pl.lit(UNREADABLE)).otherwise("fault"))


def parse_naive(texts: pl.Series) -> pl.Series:
    """Return texts as wall clocks, named `wall`; null for an unknown form."""
    found = pl.Series("wall", [None] * len(texts), dtype=_NAIVE)
    open_ = texts.is_not_null()
    forms, is_sampled = list(_FORMATS), True
    while forms and open_.any():
        sample = texts.filter(open_).head(1)
        form = next((form for form in forms if _read(sample, form)[0] is not None), None) if is_sampled else None
        # A text that no form reads stays the first one: asked once, not before each of the forms.
        form, is_sampled = form or forms[0], form is not None
        forms.remove(form)
        found = found.zip_with(~open_, _read(texts, form)).alias("wall")
        open_ = texts.is_not_null() & found.is_null()
    return found


def _read(texts: pl.Series, form: str) -> pl.Series:
    read = texts.str.strptime(_NAIVE, form, strict=False)
    return read.set(read.dt.year() < _FIRST_YEAR, None)


def _from_epoch(plain: pl.Expr) -> pl.Expr:
    number = plain.str.replace(r"\.0*$", "").cast(pl.Int64, strict=False)
    micros = number // 1_000
    for bound, factor in reversed(_UNIT_DIVISORS):
        micros = pl.when(number.abs() < bound).then(number * factor).otherwise(micros)
    return micros.cast(_NAIVE)


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
