"""The role of each column of a file, by the names that exporters commonly use."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """The role of a column."""

    SYMBOL = "symbol"
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

# Names in lower case without spaces and signs. pandas writes an unnamed index as "" or __index_level_0__.
_NAMES = {
    Role.SYMBOL: "symbol ticker code localcode コード 銘柄コード 証券コード 銘柄",
    Role.PERIOD: "per period interval 足種",
    Role.MOMENT: "datetime timestamp openedat opentime 日時",
    Role.DATE: "date tradingdate tradedate day 日付 日付け 年月日 取引日",
    Role.TIME: "time 時刻 時間",
    Role.OPEN: "open o openingprice 始値",
    Role.HIGH: "high h highprice 高値",
    Role.LOW: "low l lowprice 安値",
    Role.CLOSE: "close c closingprice last closelast price 終値",
    Role.VOLUME: "volume vol v vo shares 出来高 売買高 出来高株 売買高株 出来高千株 株式売買高",
    Role.FACTOR: "adjfactor adjustmentfactor",
    Role.SPLIT: "stocksplits splits split",
    Role.DIVIDEND: "dividends dividend",
}
_ROLES = {name: role for role, names in _NAMES.items() for name in names.split()}
#: pandas' names of an unnamed index; it dates the rows if no other column does.
_INDEX = frozenset({"", "index", "indexlevel0", "unnamed0"})
#: The columns whose numbers are thousands.
THOUSANDS = frozenset({"出来高千株"})
#: Columns that are known, and are not needed: adjusted prices are computed, and raw ones are stored.
_UNUSED = frozenset(
    """
    adjclose adjustedclose adjo adjh adjl adjc adjvo adjopen adjhigh adjlow adjvolume adjustmentopen adjustmenthigh
    adjustmentlow adjustmentclose adjustmentvolume 終値調整値 調整後終値 修正後終値 調整値 ul ll upperlimit lowerlimit
    va turnover turnovervalue value amount quoteassetvolume vwap trades count numberoftrades closetime openint
    openinterest tickvol spread change changepercent chg 前日比 前日比率 変化率 騰落率 売買代金 売買代金円 名称 銘柄名
    銘柄名称 会社名 市場 市場名 市場名称 name companyname exchange market currency capitalgains rownr
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

    """

    header: tuple[str, ...]
    blocks: tuple[Block, ...]
    unused: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    first_line: int = 2
    separator: str = ","

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
        return bool(names & {"始値", "終値"}) or ("code" in names and bool(names & {"vo", "turnovervalue"}))

    def name_of(self, role: Role) -> str:
        """Return the file's name of the column of a role."""
        return self.header[self.columns[role]]


def find_role(name: str) -> Role | None:
    """Return the role of a column, by its name; None if it is not needed or not known."""
    return _ROLES.get(normalise(name))


def is_known(name: str) -> bool:
    """Return whether a column without a role is known."""
    return normalise(name) in _UNUSED


def lay_out(header: Sequence[str], *, first_line: int = 2, separator: str = ",") -> Layout:
    """Return the layout of a header, in any order and case; columns may be missing."""
    columns: dict[Role, int] = {}
    unused, unknown = list[str](), list[str]()
    for number, name in enumerate(header):
        role = find_role(name)
        if role is not None and role not in columns:
            columns[role] = number
        elif role is not None or is_known(name):
            unused.append(name)
        elif normalise(name) not in _INDEX:
            unknown.append(name)
    if not columns.keys() & set(TIMES):
        index = [n for n, name in enumerate(header) if normalise(name) in _INDEX and (name.strip() or n == 0)]
        if index:
            columns[Role.DATE] = index[0]
    block = Block(tuple(columns.items()))
    return Layout(tuple(header), (block,), tuple(unused), tuple(unknown), first_line, separator)


def find_missing(layout: Layout) -> list[str]:
    """Return the missing columns of a layout: one that dates the rows, and prices."""
    missing = [role.value for role in PRICES if role not in layout.columns]
    if not layout.times:
        missing.insert(0, "date or timestamp")
    return missing


def normalise(name: str) -> str:
    """Return a name in lower case, without spaces and signs."""
    return re.sub(r"[\s_\-.<>()\[\]*/%:]+", "", unicodedata.normalize("NFKC", name).lower())
