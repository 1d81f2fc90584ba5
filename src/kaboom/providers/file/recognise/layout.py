"""The role of each column of a file, by the names that exporters commonly use."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from kaboom.errors import InvalidRequest

#: A unit after the name of a column of volumes, without signs, and the power of ten of one.
SHARE_UNITS = {
    "": 0, "株": 0, "口": 0, "shares": 0,
    "百株": 2,
    "千": 3, "千株": 3, "千口": 3, "thousand": 3, "thousands": 3, "000": 3, "000s": 3, "'000": 3, "'000s": 3, "k": 3,
    "万株": 4, "万口": 4,
    "百万株": 6, "百万口": 6, "million": 6, "millions": 6, "m": 6,
}  # fmt: skip
#: A unit after the name of a column of prices: it changes no number.
PRICE_UNITS = ("", "円", "yen", "jpy", "usd")

_OF_SHARES = re.compile("(百万|百|千|万)(?:株|口)")
_POWERS = {"百": 2, "千": 3, "万": 4, "百万": 6}
#: A line that says the unit, beside others that name a scale.
_SAYS_UNIT = re.compile(r"単位|^\W*(?:百万|百|千|万)(?:株|口)\W*$")
#: An amount, and the shares of an order, which are no units of volumes.
_OTHER = re.compile(r"[0-9][0-9.,]*\s*(?:百万|千|万|億)(?:株|口|円)|(?:(?:売買|取引)単位|単元)\S*")
#: A scale that may be that of the volumes, or of other numbers.
_VAGUE = re.compile(
    r"(?:百万|千|億)円|thousand|million|'000|hundreds|\b(?:in|of) lots\b|[0-9]+(?:株|口)単位|出来高\S*単元"
    r"|単位\W*(?!1(?:株|口))[0-9][0-9,]*(?:株|口)|(?:出来高|売買高|\bvol(?:ume)?)\W*[x*\u00d7]\s?10",
    re.IGNORECASE,
)


class Role(StrEnum):
    """The role of a column."""

    SYMBOL = "symbol"
    #: The name of the symbol, for one that no list has.
    NAME = "name"
    #: A note to the row, or the unit of its volume.
    NOTE = "note"
    #: The length of the bars, as Stooq's `<PER>`; used only if the steps between the rows do not show it.
    PERIOD = "period"
    #: Date and time in one.
    MOMENT = "moment"
    DATE = "date"
    TIME = "time"
    OPEN = "open"
    HIGH = "high"
    LOW = "low"
    CLOSE = "close"
    VOLUME = "volume"
    #: How often the price changed, beside a volume that may be 0 in every row.
    TICKS = "ticks"
    #: The factor for the prices before this row; 1 in most rows.
    FACTOR = "factor"
    #: How many shares one share becomes on this row's day; 0 in most rows.
    SPLIT = "split"
    #: Cash paid for each share, on the ex-day.
    DIVIDEND = "dividend"


#: The columns that every file must have, beside one that dates the row.
PRICES = (Role.OPEN, Role.HIGH, Role.LOW, Role.CLOSE)
#: The columns of numbers.
NUMBERS = (*PRICES, Role.VOLUME, Role.FACTOR, Role.SPLIT, Role.DIVIDEND)
#: The columns that date a row.
TIMES = (Role.MOMENT, Role.DATE, Role.TIME)

# Names in lower case without spaces and signs; of several columns of a role, the one whose name is first counts.
_NAMES = {
    Role.SYMBOL: "symbol ticker code localcode コード 銘柄コード 証券コード 銘柄",
    Role.NAME: "銘柄名 銘柄名称 会社名 企業名 名称 companyname company securityname name",
    Role.NOTE: "備考 注記 摘要 単位 unit units note notes remark remarks",
    Role.PERIOD: "per period interval 足種",
    Role.MOMENT: "datetime timestamp openedat opentime 日時",
    Role.DATE: "date tradingdate tradedate day 日付 日付け 年月日 取引日 データ日付 exchangedate",
    Role.TIME: "time 時刻 時間",
    Role.OPEN: "open 始値 openingprice o pxopen",
    Role.HIGH: "high 高値 highprice h pxhigh",
    Role.LOW: "low 安値 lowprice l pxlow",
    Role.CLOSE: "close 終値 closingprice c closelast last price pxlast",
    Role.VOLUME: "volume 出来高 売買高 株式売買高 vol vo v shares pxvolume",
    Role.TICKS: "tickvol tickvolume",
    Role.FACTOR: "adjfactor adjustmentfactor",
    Role.SPLIT: "stocksplits splits split",
    Role.DIVIDEND: "dividends dividend",
}
#: Names that a unit may follow.
_MEASURED = (
    *("volume", "vol", "出来高", "売買高", "株式売買高"),
    *(name for role in PRICES for name in _NAMES[role].split()[:2]),
)


@dataclass(frozen=True, slots=True)
class _Name:
    """A name of a column: its role, its place among the names of the role, and the power of ten of its unit."""

    role: Role
    rank: int
    power: int = 0


def _list_names() -> dict[str, _Name]:
    names = {name: _Name(role, rank) for role, text in _NAMES.items() for rank, name in enumerate(text.split())}
    for base in _MEASURED:
        units = SHARE_UNITS if names[base].role is Role.VOLUME else dict.fromkeys(PRICE_UNITS, 0)
        names |= {
            base + mark + unit: replace(names[base], power=units[unit]) for mark in ("", "単位") for unit in units
        }
    return names


_ROLES = _list_names()
#: pandas' names of an unnamed index; it dates the rows if no other column does.
_INDEX = frozenset({"", "index", "indexlevel0", "unnamed0"})
#: Columns that are known, and are not needed: adjusted prices are computed, and raw ones are stored.
_UNUSED = frozenset(
    """
    adjclose adjustedclose adjo adjh adjl adjc adjvo adjopen adjhigh adjlow adjvolume adjustmentopen adjustmenthigh
    adjustmentlow adjustmentclose adjustmentvolume 終値調整値 調整後終値 修正後終値 調整値 ul ll upperlimit lowerlimit
    va turnover turnovervalue value amount quoteassetvolume vwap trades count numberoftrades closetime openint
    openinterest spread change changepercent chg 前日比 前日比率 変化率 騰落率 売買代金 売買代金円 売買代金千円
    売買代金百万円 市場 市場名 市場名称 exchange market currency capitalgains rownr
    mo mh ml mc mul mll mvo mva ao ah al ac aul all avo ava
    """.split()  # noqa: SIM905  a list of words is read more easily
)


@dataclass(frozen=True, slots=True)
class Block:
    """The columns of one symbol, counted from 0; `symbol` is None if the rows or the file's name have the symbol."""

    columns: tuple[tuple[Role, int], ...]
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is laid out.

    Attributes:
        header: the names of its columns.
        blocks: one, or one for each symbol of a file with a column for each price of each symbol.
        unused: names of columns that are known and not needed.
        unknown: names of columns that are not recognised.
        first_line: the line of the first row, counted from 1.
        separator: between two cells; empty for a table with types.
        power: the power of ten of one in the column of volumes.
        repeated: names that two columns have, of which either may be meant.
        titles: the lines above the header; files that differ in them alone have the same layout.

    """

    header: tuple[str, ...]
    blocks: tuple[Block, ...]
    unused: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    first_line: int = 2
    separator: str = ","
    power: int = 0
    repeated: tuple[str, ...] = ()
    titles: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def columns(self) -> dict[Role, int]:
        """The number of the column for each role; those of the first symbol if there are several."""
        return dict(self.blocks[0].columns)

    @property
    def has_symbols(self) -> bool:
        """Whether the rows or the header have symbols; otherwise the file's name has the symbol."""
        return Role.SYMBOL in self.columns or self.blocks[0].symbol is not None

    @property
    def times(self) -> tuple[Role, ...]:
        """The columns that date a row: one, or a date and a time."""
        if Role.MOMENT in self.columns:
            return (Role.MOMENT,)
        return tuple(role for role in (Role.DATE, Role.TIME) if role in self.columns)

    @property
    def is_japanese(self) -> bool:
        """Whether its times are in Tokyo's zone: the names of its columns are Japanese, or those of J-Quants."""
        names = {normalise(name) for name in self.header}
        has_prices = any(name.startswith(("始値", "終値")) for name in names)
        return has_prices or ("code" in names and bool(names & {"vo", "turnovervalue"}))

    def name_of(self, role: Role) -> str:
        """Return the file's name of the column of a role."""
        return self.header[self.columns[role]]


def find_role(name: str) -> Role | None:
    """Return the role of a column, by its name; None if it is not needed or not known."""
    known = _ROLES.get(normalise(name))
    return known.role if known else None


def find_power(name: str) -> int:
    """Return the power of ten of one in a column of volumes, by its name."""
    return _ROLES[normalise(name)].power


def is_known(name: str) -> bool:
    """Return whether a column without a role is known."""
    return normalise(name) in _UNUSED


def lay_out(header: Sequence[str], *, first_line: int = 2, separator: str = ",") -> Layout:
    """Return the layout of a header, in any order and case; columns may be missing."""
    known = {number: _ROLES[plain] for number, name in enumerate(header) if (plain := normalise(name)) in _ROLES}
    columns: dict[Role, int] = {}
    for number in sorted(known, key=lambda number: known[number].rank):
        columns.setdefault(known[number].role, number)
    others = [name for number, name in enumerate(header) if number not in known]
    spare = [header[number] for number in known if number not in columns.values()]
    unused = [*spare, *filter(is_known, others)]
    unknown = [name for name in others if not is_known(name) and normalise(name) not in _INDEX]
    named = Counter((name.role, name.rank) for name in known.values())
    repeated = [header[n] for n in columns.values() if named[known[n].role, known[n].rank] > 1]
    if Role.NAME not in columns and (beside := [n for n in spare if normalise(n) == "銘柄"]):
        # Beside a column of codes.
        columns[Role.NAME] = header.index(beside[0])
    power = find_power(header[columns[Role.VOLUME]]) if Role.VOLUME in columns else 0
    if not columns.keys() & set(TIMES):
        index = [n for n, name in enumerate(header) if normalise(name) in _INDEX and (name.strip() or n == 0)]
        if index:
            columns[Role.DATE] = index[0]
    block = Block(tuple(sorted(columns.items(), key=lambda column: column[1])))
    return Layout(tuple(header), (block,), tuple(unused), tuple(unknown), first_line, separator, power, tuple(repeated))


def find_missing(layout: Layout) -> list[str]:
    """Return the missing columns of a layout: one that dates the rows, and prices."""
    missing = [role.value for role in PRICES if role not in layout.columns]
    if not layout.times:
        missing.insert(0, "date or timestamp")
    return missing


def normalise(name: str) -> str:
    """Return a name in lower case, without spaces and signs."""
    return re.sub(r"[\s_\-.<>()\[\]*/%:]+", "", unicodedata.normalize("NFKC", name).lower())


def find_scale(titles: Iterable[str]) -> int:
    """Return the power of ten of one volume by the lines above the header, such as `単位:千株`.

    Raises:
        InvalidRequest: they have a scale, but do not say that it is of the volumes.

    """
    found = set[int]()
    for plain in map(_plain, titles):
        powers = {_POWERS[scale] for scale in _OF_SHARES.findall(plain)}
        found |= powers
        unclear = _OF_SHARES.search(plain) or _VAGUE.search(plain)
        if unclear and (not powers or len(found) > 1 or not _SAYS_UNIT.search(plain)):
            raise InvalidRequest(explain_scale(unclear[0]))
    return found.pop() if found else 0


def names_scale(text: str) -> bool:
    """Return whether a text that is no number or time names a scale, as a row of units or a note does."""
    plain = _plain(text)
    return bool(_OF_SHARES.search(plain) or _VAGUE.search(plain))


def explain_scale(text: str) -> str:
    """Return why a file with a scale beside its columns is refused."""
    return f"expected the unit of volumes in the name of their column, such as Volume (thousands), found {text[:40]!r}"


def _plain(text: str) -> str:
    return _OTHER.sub("", unicodedata.normalize("NFKC", text))
