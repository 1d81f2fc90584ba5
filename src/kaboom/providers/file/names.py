"""The symbol of a file without a column of symbols: by its folder, its name, a pattern or a list; never a guess."""

import csv
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from io import StringIO
from pathlib import Path

import polars as pl

from kaboom.drivers.csv_text import decode_csv
from kaboom.errors import ConfigurationError, InvalidRequest
from kaboom.market.symbol import is_tse_code, parse_foreign_symbol, parse_symbol

#: The endings of files that the provider looks at.
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".parquet", ".xlsx")

_TSE_ENDS = (".T", ".JP", ".TYO", ".TSE", "-T")
_TSE_STARTS = ("TSE:", "TYO:", "JP:", "JPX:", "TSE_DLY_", "TSE_")
_WHOLE = re.compile(r"(?<=^[0-9]{4})\.0+$|(?<=^[0-9]{5})\.0+$")
#: Excel's formula for a text, and the name behind a code: `="7203"`, `7203 トヨタ自動車`, `7203 JT Equity`.
_QUOTED = re.compile(r'^="([^"]*)"$')
_NAMED = re.compile(r"(?<=^[0-9][0-9A-Z][0-9][0-9A-Z])\s+(?:.*[^\x00-\x7f].*|J[TP](?: EQUITY)?)$")
_DECIMALS = re.compile(r"^[0-9]+\.[0-9]")
_HIVE = re.compile(r"^(?:symbol|ticker|code)=(.+)$", re.IGNORECASE)
_TOKEN_ENDS = re.compile(r"[_\s,]+")
#: Parts of a name besides the symbol: the exchange, the interval, days, the kind of the bars.
_RESTS = re.compile(
    r"^(?:T|TSE|TYO|JP|US|\d{1,3}(?:m|min|h|d|w)|[mhd]\d{0,3}|daily|day|minute|minutes|hourly|intraday|hist|history"
    r"|historical|data|prices?|bars?|ohlcv?|raw|split|adjusted|unadjusted|export|stock|quotes?|max|\d+y|(?:19|20)\d{2}(?:-\d{2}){0,2}"
    r"|\d{6}|\d{8}|\d{12}|to|from|-|\(\d+\)|[^\x00-\x7f]+)$",
    re.IGNORECASE,
)
#: TradingView's names, such as `TSE_DLY_7203, 1D.csv` or `TSE_7203, 5_1a2b3 (1).csv`: exchange, symbol, interval.
_TRADING_VIEW = re.compile(
    r"^(?P<exchange>[A-Z]+)(?:_DLY)?_(?P<symbol>[^_,]+), \d{0,4}[SDWM]?(?:_[0-9a-f]{5})?(?: \(\d+\))?$"
)
#: Names of files that contain no symbol.
_GENERIC = frozenset(
    """
    ALL BARS CLOSE DATA DAILY DAY DOWNLOAD EOD EXPORT FILE FILES HIGH HIST HISTORY INDEX JP LOW MINUTE OHLC OHLCV OPEN
    OUT OUTPUT PRICE PRICES QUOTES RAW RESULT SAMPLE STOCK STOCKS TABLE TEST TICKS TSE US VOLUME
    """.split()  # noqa: SIM905  a list of words is read more easily
)
_MOST_LETTERS = 5
#: A code in a title: the first cell, alone or before a name; after a label; in brackets; with its exchange.
_TITLED = re.compile(
    r"""(?:^|[,;\t|])[\s"]*(?:(?:銘柄|証券|株式|stock|security)?\s?(?:コード|code)|銘柄|symbol|ticker)[\W_]{0,5}(?P<labelled>CODE)
    |[(\[<【「](?:(?:TSE|TYO|東証\w{0,4})\W{0,2})?(?P<bracketed>CODE)[)\]>】」]
    |(?:\b(?:TSE|TYO):(?P<exchange>CODE)|\b(?P<suffixed>CODE)\.T\b)
    |^[\s"]*(?P<first>CODE)(?!\s*(?:[株円]|千株|百万円|shares|yen|rows|bars|days)\b)["\s]*(?:$|[,;\t|]|\s[^\W\d])""".replace(
        "CODE", r"[1-9][0-9A-Z][0-9][0-9A-Z](?![0-9A-Z])"
    ),
    re.IGNORECASE | re.VERBOSE,
)
#: The most letters of the name of a symbol.
_MOST_NAME = 100
#: Numbers and days that are no symbols: `1`, `20241105`, `2024-11`; and a year or a month, which may be a code, too.
_NUMBER = re.compile(r"[0-9]{1,3}|[0-9]{7,}|[0-9]+(?:[-.][0-9]+)+")
_YEAR = re.compile(r"((?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])?)(?![0-9A-Za-z.])(?!.*\1)")


@dataclass(frozen=True, slots=True)
class NameRules:
    """How names of files become symbols.

    Attributes:
        pattern: finds the symbol in the path below the folder: its group `symbol`, its only group, or all of it.
        mapping: patterns of paths, such as `toyota*.csv`, and their symbols.

    """

    pattern: re.Pattern[str] | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, pattern: str | None, mapping: Path | None) -> "NameRules":
        """Return the rules of a regular expression, and of a CSV file with two columns, a name and its symbol.

        Raises:
            ConfigurationError: the pattern or the file cannot be read.

        """
        try:
            compiled = re.compile(pattern) if pattern else None
        except re.error as e:
            raise ConfigurationError(f"symbol pattern was {pattern!r:.60}, expected a regular expression: {e}") from e
        return cls(compiled, _read_mapping(mapping) if mapping else {})

    def find(self, name: str) -> str:
        """Return the symbol of a file, by its path below the folder.

        Raises:
            InvalidRequest: the path has no symbol; the message tells the user how to give one.

        """
        plain = name.rpartition("/")[2]
        for pattern, symbol in self.mapping.items():
            if fnmatch(name, pattern) or fnmatch(plain, pattern):
                return symbol
        if self.pattern is not None:
            return _match(self.pattern, name)
        for folder in name.split("/")[:-1]:
            if hive := _HIVE.match(folder):
                return parse_file_symbol(hive[1])
        return _symbol_of_name(plain)

    def find_year(self, name: str) -> str | None:
        """Return the year or the month, such as `2024` or `202411`, that the name of a file may say, not a symbol."""
        *folders, plain = name.split("/")
        if self.pattern is not None or any(map(_HIVE.match, folders)):
            return None
        if any(fnmatch(each, pattern) for pattern in self.mapping for each in (name, plain)):
            return None
        found = _YEAR.match(strip_suffix(plain))
        return found[1] if found else None


def parse_file_symbol(text: str) -> str:
    """Return the symbol in a file's text: a TSE code without its exchange and a fifth digit 0, others in upper case.

    Raises:
        InvalidRequest: the text is not a symbol.

    """
    given = unicodedata.normalize("NFKC", text).strip().upper()
    # A spreadsheet makes a number of the code 7203.
    plain = _NAMED.sub("", _WHOLE.sub("", _QUOTED.sub(r"\1", given)))
    for start in _TSE_STARTS:
        plain = plain.removeprefix(start)
    bare = plain
    for end in _TSE_ENDS:
        bare = bare.removesuffix(end)
    try:
        return parse_symbol(bare)
    except InvalidRequest:
        if _DECIMALS.match(bare):
            raise
        return parse_foreign_symbol(text if plain == given else plain)


def find_titled(title: str) -> set[str]:
    """Return the TSE codes that a line above a header says its file is of; a year without a label is no code."""
    found = set[str]()
    for match in _TITLED.finditer(unicodedata.normalize("NFKC", title)):
        code = match[str(match.lastgroup)].upper()
        is_year = match.lastgroup in {"bracketed", "first"} and _YEAR.fullmatch(code)
        if is_tse_code(code) and not is_year:
            found.add(code)
    return found


def strip_suffix(name: str) -> str:
    """Return a file's name without its ending."""
    return name[: -max((len(s) for s in SUFFIXES if name.lower().endswith(s)), default=0) or None]


def _symbol_of_name(name: str) -> str:
    stem = strip_suffix(name)
    if (chart := _TRADING_VIEW.match(stem)) is not None:
        return _symbol_of_chart(name, *chart.group("exchange", "symbol"))
    first, *rest = [token for token in _TOKEN_ENDS.split(stem) if token] or [""]
    if first.upper() == "TSE" and rest:
        first, *rest = [token for token in rest if token.upper() != "DLY"] or [""]
    try:
        symbol = parse_file_symbol(first)
    except InvalidRequest as e:
        raise _no_symbol(name) from e
    if not all(_RESTS.match(token) for token in rest) or not _is_meant_as_symbol(first, symbol):
        raise _no_symbol(name)
    return symbol


def _symbol_of_chart(name: str, exchange: str, text: str) -> str:
    """Return the symbol of a chart; a code of another exchange, such as Taiwan's 2330, is no code of the TSE."""
    try:
        symbol = parse_file_symbol(text)
    except InvalidRequest as e:
        raise _no_symbol(name) from e
    if exchange != "TSE" and is_tse_code(symbol):
        raise _no_symbol(name)
    return symbol


def _is_meant_as_symbol(token: str, symbol: str) -> bool:
    """Return whether a token of a file's name, parsed as `symbol`, is meant as one and not as a word or a number.

    A symbol is a code, a few letters, or more letters in capitals: `msft` and `NIKKEI`, but not `nikkei`.
    """
    if symbol in _GENERIC or _NUMBER.fullmatch(symbol):
        return False
    return is_tse_code(symbol) or not symbol.isalpha() or len(symbol) <= _MOST_LETTERS or token.isupper()


def _no_symbol(name: str) -> InvalidRequest:
    return InvalidRequest(
        f"the name {name[:60]!r} does not say which symbol it is of: name the file after it, or set"
        " KABOOM_FILE_SYMBOL_PATTERN or KABOOM_FILE_SYMBOLS"
    )


def _match(pattern: re.Pattern[str], name: str) -> str:
    stem = strip_suffix(name)
    found = pattern.search(stem)
    if found is None:
        raise InvalidRequest(f"the symbol pattern {pattern.pattern[:60]!r} does not match {stem[:60]!r}")
    groups = found.groupdict()
    return parse_file_symbol(groups.get("symbol") or (found[1] if pattern.groups else found[0]) or "")


def _read_mapping(path: Path) -> dict[str, str]:
    try:
        text = StringIO(decode_csv(path.read_bytes()), newline="")
        rows = [row for row in csv.reader(text) if row and not row[0].startswith("#")]
        return {
            row[0].strip(): parse_file_symbol(row[1])
            for row in rows
            if not (row[0].strip().lower() == "file" and row is rows[0])
        }
    except (OSError, UnicodeDecodeError, csv.Error, IndexError, InvalidRequest) as e:
        raise ConfigurationError(f"list of symbols {path.name!r:.60} could not be read: {e}") from e


def find_names(rows: pl.DataFrame) -> dict[int, dict[str, str]]:
    """Return for each number of a file its symbols with their names, of which the last counts; a code is no name."""
    found: dict[int, dict[str, str]] = {}
    if "name" in rows.columns:
        named = rows.with_columns(pl.col("name").cast(pl.String).str.replace_all(r"\s+", " ").str.strip_chars())
        # A word, and not the code again.
        named = named.filter(pl.col("name").str.contains(r"\p{L}{2}"), pl.col("name") != pl.col("symbol"))
        for file, symbol, name in named.group_by("file", "symbol").agg(pl.col("name").last()).rows():
            found.setdefault(file, {})[symbol] = name[:_MOST_NAME]
    return found
