"""Which column of a file holds what, by the names that exporters commonly give them."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from batch.providers.file.errors import refuse_file


class Role(StrEnum):
    """What a column is for."""

    SYMBOL = "symbol"
    #: Date and time in one.
    MOMENT = "moment"
    DATE = "date"
    TIME = "time"
    OPEN = "open"
    HIGH = "high"
    LOW = "low"
    CLOSE = "close"
    VOLUME = "volume"
    #: What older prices are multiplied by from this row on; 1 on most.
    FACTOR = "factor"


#: The columns that every file must have, beside one that dates the row.
PRICES = (Role.OPEN, Role.HIGH, Role.LOW, Role.CLOSE)

# Names in lower case without spaces and signs. pandas writes an unnamed index as "" or __index_level_0__.
_NAMES = {
    Role.SYMBOL: ("symbol", "ticker", "code", "localcode", "コード", "銘柄コード"),
    Role.MOMENT: ("datetime", "timestamp", "openedat", "opentime", "日時"),
    Role.DATE: ("date", "tradingdate", "tradedate", "日付", "", "index", "indexlevel0"),
    Role.TIME: ("time", "時刻"),
    Role.OPEN: ("open", "o", "始値"),
    Role.HIGH: ("high", "h", "高値"),
    Role.LOW: ("low", "l", "安値"),
    Role.CLOSE: ("close", "c", "終値"),
    Role.VOLUME: ("volume", "vol", "v", "vo", "出来高"),
    Role.FACTOR: ("adjfactor", "adjustmentfactor"),
}
_ROLES = {name: role for role, names in _NAMES.items() for name in names}


@dataclass(frozen=True, slots=True)
class Layout:
    """The number of the column for each role that a file has, counted from 0, out of `width` columns."""

    columns: dict[Role, int]
    width: int

    @property
    def has_symbols(self) -> bool:
        """Whether the rows name their symbol; otherwise the file name does."""
        return Role.SYMBOL in self.columns

    @property
    def times(self) -> tuple[Role, ...]:
        """The columns that date a row: one, or a date and a time."""
        if Role.MOMENT in self.columns:
            return (Role.MOMENT,)
        return tuple(role for role in (Role.DATE, Role.TIME) if role in self.columns)


def parse_layout(header: Sequence[str], path: Path) -> Layout:
    """Return the layout that a header means, in any order and case; columns without a role are ignored.

    Raises:
        ProviderError: a price column, or any that dates the rows, is missing.

    """
    columns: dict[Role, int] = {}
    for number, name in enumerate(header):
        role = _ROLES.get(_normalise(name))
        if role is not None:
            columns.setdefault(role, number)
    layout = Layout(columns, len(header))
    missing = [role.value for role in PRICES if role not in columns]
    if not layout.times:
        missing.insert(0, "date or timestamp")
    if missing:
        found = ", ".join(header)[:120]
        raise refuse_file(path, f"expected a column {', '.join(missing)}, found only {found!r}", line=1)
    return layout


def _normalise(name: str) -> str:
    return re.sub(r"[\s_\-.]+", "", unicodedata.normalize("NFKC", name).lower())
