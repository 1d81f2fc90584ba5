"""The fees that Japanese brokers publish, as named tables; importable without numpy.

Each has the day from which it is valid and its source. Fees are those of orders for stocks online, in yen, with the
consumption tax of 10 %. `text.tables.CODES` has their titles.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

FeeTableName = Literal["matsui-box", "monex", "rakuten-zero", "sbi-zero"]


@dataclass(frozen=True, slots=True)
class FeeTable:
    """The fees of a broker.

    Attributes:
        since: the first day on which it is valid.
        source: where the broker states it, an address.
        steps: the largest value that a fee applies to, and the fee; the last one also applies to all larger values.
        is_daily: whether the value is the total of all fills of a session; else it is that of a fill.

    """

    since: date
    source: str
    steps: tuple[tuple[float, float], ...]
    is_daily: bool = False


_FREE = ((0.0, 0.0),)
#: 1,100 yen for each million begun, at most 110,000.
_MATSUI = ((500_000.0, 0.0), *((n * 1_000_000.0, n * 1_100.0) for n in range(1, 101)))
_MONEX = (
    (50_000.0, 55.0), (100_000.0, 99.0), (200_000.0, 115.0), (500_000.0, 275.0), (1_000_000.0, 535.0),
    (1_500_000.0, 640.0), (30_000_000.0, 1_013.0), (1e9, 1_070.0),
)  # fmt: skip

FEE_TABLES: Mapping[FeeTableName, FeeTable] = {
    "sbi-zero": FeeTable(date(2023, 9, 30), "https://www.sbisec.co.jp/", _FREE),
    "rakuten-zero": FeeTable(date(2023, 10, 1), "https://www.rakuten-sec.co.jp/", _FREE),
    "monex": FeeTable(date(2022, 3, 22), "https://info.monex.co.jp/", _MONEX),
    "matsui-box": FeeTable(date(2019, 10, 1), "https://www.matsui.co.jp/stock/domestic/fee/", _MATSUI, is_daily=True),
}
