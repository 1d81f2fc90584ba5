"""Prices and volumes: text or typed columns to floats; a text that can be read in two ways is no number; pure."""

import re
from dataclasses import dataclass
from typing import Literal

import polars as pl

from batch.providers.file.rules import Rule

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


def find_unclear(cells: pl.DataFrame, volume: str, files: pl.Series, separator: str) -> pl.DataFrame:
    """Return masks of the numbers in columns of text whose comma or dot may be before decimals or between thousands.

    In a file with a number such as `2504,0` or `1.234.567`, these are all numbers with commas, and those such as
    `2.504`. Numbers such as `2.504` are unclear as volumes and between semicolons, too, unless another number of the
    file shows that its dot is a decimal point. `files` has the number of the file of each row.
    """
    names, form = cells.columns, NumberRules().form
    texts = pl.DataFrame({name: _simplify(cells[name]) for name in names})
    found = texts.select(
        pl.any_horizontal(_has(name, _COMMA_BEFORE_DECIMALS, but=form) | _has(name, _MANY_DOTS) for name in names)
        .any()
        .over(files)
        .alias("is_comma"),
        pl.any_horizontal(_has(name, r"\.") & _has(name, form, but=_DOTTED) for name in names)
        .any()
        .over(files)
        .alias("is_point"),
        (_has(volume, _DOTTED).any().over(files) if volume in names else pl.lit(value=False)).alias("is_doubted"),
    )
    is_comma = found["is_comma"]
    is_doubted = ~is_comma & ~found["is_point"] & (found["is_doubted"] | (separator == ";"))
    return texts.select(
        (pl.lit(is_comma) & _has(name, ",") | pl.lit(is_comma | is_doubted) & _has(name, _DOTTED)).alias(name)
        for name in names
    )


def _has(name: str, form: str, *, but: str | None = None) -> pl.Expr:
    """Return whether the text of a column has a form, and not another one."""
    has = pl.col(name).str.contains(form).fill_null(value=False)
    return has if but is None else has & ~pl.col(name).str.contains(but).fill_null(value=False)


def _parse_typed(cells: pl.Series) -> tuple[pl.Series, pl.Series]:
    if not cells.dtype.is_numeric():
        return pl.repeat(None, len(cells), dtype=pl.Float64(), eager=True), cells.is_not_null()
    numbers = cells.cast(pl.Float64(), strict=False)
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
