"""Prices and volumes: text or typed columns to floats; a text that can be read in two ways is no number; pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from kaboom.providers.file.recognise.layout import Layout
from kaboom.providers.file.rules import Rule

# Texts that exporters write if there is no value. Such a cell becomes null, and the row is kept.
_ABSENT = ("", "null", "nan", "none", "na", "n/a", "-", "--", "―")
#: Full-width signs and wide blanks, as plain ones. NFKC would make 2504² a number, too.
_PLAIN = {chr(0xFF10 + digit): str(digit) for digit in range(10)} | {
    "\uff0c": ",", "\uff0e": ".", "\uff0b": "+", "\uff0d": "-", "\uffe5": "¥", "\uff04": "$",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u3000": " ",
}  # fmt: skip
_CURRENCY = r"^([+-]?)[$¥€£] ?"
_UNITS = {"k": "e3", "m": "e6", "b": "e9", "t": "e12"}
_UNIT = r" ?([kmbt])$"
#: Thousands separated by dots, as where the comma is before the decimals.
_DOTTED = r"^[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+$"
_MANY_DOTS = r"^[+-]?[1-9][0-9]{0,2}(\.[0-9]{3}){2,}$"
_MANY_COMMAS = r"^[+-]?[1-9][0-9]{0,2}(,[0-9]{3}){2,}(\.[0-9]*)?$"
#: Thousands that are not separated.
_PLAIN_THOUSANDS = r"^[+-]?[1-9][0-9]{3,}$"
_COMMA_BEFORE_DECIMALS = r"^[+-]?([0-9]+|[0-9]{1,3}([. ][0-9]{3})+),[0-9]*$"


@dataclass(frozen=True, slots=True)
class NumberRules:
    """How numbers are written: the sign before their decimals; None for a point, and to refuse what is unclear."""

    decimal: Literal[".", ","] | None = None

    def under(self, rule: Rule | None) -> "NumberRules":
        """Return these rules as a rule of `files.toml` changes them."""
        return NumberRules(rule.decimal) if rule and rule.decimal else self

    @property
    def form(self) -> str:
        """The regular expression of a number: thousands are separated in all places, or in none."""
        point, comma = (r"\.", ",") if self.decimal != "," else (",", r"\.")
        whole = f"[0-9]+|[1-9][0-9]{{0,2}}(({comma}[0-9]{{3}})+|( [0-9]{{3}})+)"
        return f"^[+-]?((({whole})({point}[0-9]*)?)|{point}[0-9]+)(e[+-]?[0-9]+)?$"


def parse_numbers(
    cells: pl.Series, rules: NumberRules = NumberRules(), *, power: int = 0, has_units: bool = False
) -> tuple[pl.Series, pl.Series]:
    """Return a column as float64, with null for a missing value, and a mask of the cells that are not numbers.

    Numbers are multiplied by ten to the `power`, exactly. `has_units` allows endings such as those of 25.10M.
    """
    if cells.dtype != pl.String():
        if not power:
            return _parse_typed(cells)
        cells = cells.cast(pl.String())
    scale = f"e{power}" if power else ""
    numbers = (cells + scale if power else cells).cast(pl.Float64(), strict=False)
    odd = (numbers.is_null() | ~numbers.is_finite()) & cells.is_not_null()
    if rules.decimal == ",":
        odd |= cells.str.contains("[.,]").fill_null(value=False)
    if not odd.any():
        return numbers, odd
    places = odd.arg_true()
    text = _simplify(cells.gather(places))
    absent = text.is_in(_ABSENT)
    unit = text.str.extract(_UNIT).replace_strict(_UNITS, default=None, return_dtype=pl.String)
    body = text.str.replace(_UNIT, "") if has_units and not power else text
    exponent = unit.fill_null(scale) if has_units and not power else pl.repeat(scale, len(text), eager=True)
    plain = _to_float(body, exponent, rules)
    return numbers.scatter(places, plain), odd.scatter(places, plain.is_null() & ~absent)


def has_decimal_comma(text: str) -> bool:
    """Return whether a text can only be a number whose comma is before its decimals, such as 2504,0."""
    return re.fullmatch(_COMMA_BEFORE_DECIMALS, text.strip()) is not None


def find_unclear(cells: pl.DataFrame, volume: str, files: pl.Series, layout: Layout) -> pl.DataFrame:
    """Return masks of the numbers in columns of text whose comma or dot may be before decimals or between thousands.

    In a file with a number such as `2504,0` or `1.234.567`, these are all numbers with commas, and those such as
    `2.504`. Without one, `2.504` is unclear as a volume, and between semicolons; `2,504` is unclear between semicolons,
    and as a price beside volumes whose thousands are not separated. What settles it: `25.04` or `1,234,567` anywhere in
    the file, a Japanese header, or a price (for a volume, a volume) such as `2550`, of which `2.504` is no neighbour.
    `files` has the number of the file of each row.
    """
    names, form = cells.columns, NumberRules().form
    given = pl.DataFrame({name: _simplify(cells[name]) for name in names})
    texts = given.with_columns(pl.col(name).str.replace(_UNIT, "") for name in names if name == volume)
    volumes, prices = [name for name in names if name == volume], [name for name in names if name != volume]

    def any_of(columns: Sequence[str], judge: Callable[[str], pl.Expr]) -> pl.Expr:
        return pl.any_horizontal([pl.lit(value=False), *map(judge, columns)]).any().over(files)

    seen = texts.select(
        any_of(names, lambda name: _has(name, _COMMA_BEFORE_DECIMALS, but=form) | _has(name, _MANY_DOTS)).alias(
            "comma"
        ),
        any_of(names, lambda name: _has(name, r"\.") & _has(name, form, but=_DOTTED)).alias("point"),
        any_of(names, lambda name: _has(name, _MANY_COMMAS)).alias("thousands"),
        any_of(prices, lambda name: _has(name, _PLAIN_THOUSANDS)).alias("price"),
        any_of(volumes, lambda name: _has(name, _PLAIN_THOUSANDS)).alias("volume"),
    ).with_columns(given.select(any_of(volumes, lambda name: _has(name, _DOTTED)).alias("dotted")))
    has_comma, is_between = pl.col("comma"), pl.lit(layout.separator == ";")
    is_free, is_open = ~has_comma & ~pl.col("point"), ~pl.col("thousands") & pl.lit(not layout.is_japanese)
    doubts = seen.select(
        has_comma,
        dots=is_free & (pl.col("dotted") | is_between),
        prices=has_comma | is_free & is_open & ~pl.col("price") & (pl.col("volume") | is_between),
        volumes=has_comma | is_free & is_open & ~pl.col("volume") & is_between,
    )
    dots, comma = pl.lit(doubts["dots"]), pl.lit(doubts["comma"])
    of_commas = {name: pl.lit(doubts["prices" if name in prices else "volumes"]) for name in names}
    first = given.select((dots & _has(name, _DOTTED)).alias(name) for name in names)
    return texts.select(
        (of_commas[name] & _has(name, ",") | comma & _has(name, _DOTTED) | first[name]).alias(name) for name in names
    )


def _has(name: str, form: str, *, but: str | None = None) -> pl.Expr:
    """Return whether the text of a column has a form, and not another one."""
    has = pl.col(name).str.contains(form).fill_null(value=False)
    return has if but is None else has & ~pl.col(name).str.contains(but).fill_null(value=False)


def _parse_typed(cells: pl.Series) -> tuple[pl.Series, pl.Series]:
    if not cells.dtype.is_numeric():
        return pl.repeat(None, len(cells), dtype=pl.Float64(), eager=True), cells.is_not_null()
    # The shortest decimal of a number of 32 bits is the one that was written: 2690.3, not 2690.300048828125.
    texts = cells.cast(pl.String()) if cells.dtype == pl.Float32() else cells
    numbers = texts.cast(pl.Float64(), strict=False)
    bad = (numbers.is_null() | numbers.is_infinite()) & cells.is_not_null()
    return numbers.set(bad, None), bad


def _simplify(text: pl.Series) -> pl.Series:
    plain = text.str.replace_many(list(_PLAIN), list(_PLAIN.values())).str.strip_chars()
    return plain.str.replace(_CURRENCY, "${1}").str.to_lowercase()


def _to_float(text: pl.Series, exponent: pl.Series, rules: NumberRules) -> pl.Series:
    is_number = text.str.contains(rules.form)
    bare = text.str.replace_all("[. ]" if rules.decimal == "," else "[, ]", "").str.replace(",", ".", literal=True)
    numbers = (bare + exponent).set(~is_number, None).cast(pl.Float64(), strict=False)
    return numbers.set(~numbers.is_finite(), None)
