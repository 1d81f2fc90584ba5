"""Markets: the sections of the Tokyo Stock Exchange with the issues listed in them, indices, and own files."""

from dataclasses import dataclass
from enum import StrEnum

from kaboom.errors import InvalidRequest
from kaboom.market.interval import Interval

_TOPIX100_SCALES = frozenset({"TOPIX Core30", "TOPIX Large70"})
_TOPIX500_SCALES = _TOPIX100_SCALES | {"TOPIX Mid400"}


class Market(StrEnum):
    """A listing section of the TSE, or one of two others.

    INDEX has indices of the Tokyo market, which follow its calendar and cannot be bought. FILE is for the user's own
    files, to which no TSE rule applies.
    """

    TSE_PRIME = "TSE_PRIME"
    TSE_STANDARD = "TSE_STANDARD"
    TSE_GROWTH = "TSE_GROWTH"
    INDEX = "INDEX"
    FILE = "FILE"

    @property
    def is_tse(self) -> bool:
        """Whether it has the calendar of the Tokyo Stock Exchange, and lists of its symbols."""
        return self is not Market.FILE

    @property
    def is_section(self) -> bool:
        """Whether it is a section of the Tokyo Stock Exchange, whose issues have ticks, lots and limits."""
        return self not in {Market.INDEX, Market.FILE}


def parse_market(text: str) -> Market:
    """Return the market of a name such as `"TSE_PRIME"`.

    Raises:
        InvalidRequest: the name is not one of the five.

    """
    try:
        return Market(text)
    except ValueError as e:
        raise InvalidRequest(f"market was {text[:20]!r}, supported are {', '.join(Market)}", pointer="/market") from e


def default_interval(market: object) -> str:
    """Return the default bar length of a market; indices have only daily bars."""
    return Interval.D1.value if market == Market.INDEX else Interval.M1.value


@dataclass(frozen=True, slots=True)
class Listing:
    """One listed issue: local code, names, section, sector of the 33, TOPIX size class (`""` for none)."""

    symbol: str
    name: str
    market: Market
    sector33: str
    scale: str
    name_en: str = ""

    @property
    def is_topix100(self) -> bool:
        """Whether the issue has had finer ticks since 2014, by its size class: Core30 or Large70."""
        return self.scale in _TOPIX100_SCALES

    @property
    def is_topix500(self) -> bool:
        """Whether the issue has the finer ticks, by its size class: Core30, Large70 or Mid400."""
        return self.scale in _TOPIX500_SCALES
