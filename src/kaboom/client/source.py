"""What bars and their references are read from: a running Kaboom, a data folder, or a mirror."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, Protocol, TypedDict

if TYPE_CHECKING:
    import polars as pl

#: A day, which begins at 00:00 in Japan, or a time with its zone; also as text such as `2025-11-04`.
type When = date | datetime | str
#: The length of a bar.
type IntervalName = Literal["1m", "5m", "15m", "1h", "1d"]


class BarOptions(TypedDict, total=False):
    """How bars are asked for.

    Attributes:
        adjusted: for splits, which is the default but for a mirror, which has only bars as traded (false).
        total_return: for dividends too, as if each were reinvested at the close before its ex-session.
        market: all symbols of this section.
        provider: whose bars; by default those of the settings, or the only ones that are held.
        as_of: as they were known at this moment.

    """

    adjusted: bool
    total_return: bool
    market: str | None
    provider: str | None
    as_of: When | None


class Span(BarOptions, total=False):
    """Of when, and how, bars are asked for: `start <= opened_at < end`."""

    start: When | None
    end: When | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Bars that are asked for; without symbols and market all that are held.

    Attributes:
        adjusted: None for what the source has: adjusted bars, and raw ones in a mirror.

    """

    interval: str
    symbols: tuple[str, ...] = ()
    start: When | None = None
    end: When | None = None
    adjusted: bool | None = None
    total_return: bool = False
    market: str | None = None
    provider: str | None = None
    as_of: When | None = None


class Source(Protocol):
    """Reads bars, and what they are measured by. All times are UTC."""

    def bars(self, asked: Asked) -> "pl.DataFrame":
        """Return bars in `BAR_SCHEMA`, sorted by symbol, then opened_at.

        Raises:
            InvalidRequest: a symbol, the interval, the span or the provider cannot be.
            KaboomError: the source cannot be read.

        """
        ...

    def held(self, asked: Asked) -> Iterable[str]:
        """Return the symbols that have bars of the interval and the provider, at any time; indices may lack."""
        ...

    def listings(self) -> "pl.DataFrame":
        """Return the issues and the indices of the TSE that are listed today, sorted by symbol."""
        ...

    def universe(self, market: str, session: date | None) -> "pl.DataFrame":
        """Return the listings of a market as of a session, None for today, sorted by symbol."""
        ...

    def calendar(self, first: date, last: date) -> "pl.DataFrame":
        """Return the sessions of the TSE from `first` to `last` inclusive, with their hours."""
        ...

    def coverage(
        self, interval: str, first: date, last: date, symbols: Sequence[str], provider: str | None
    ) -> "pl.DataFrame":
        """Return what is held of each symbol and session, from `first` to `last` inclusive, in `COVERAGE_SCHEMA`."""
        ...


def to_text(when: When | None) -> str | None:
    """Return a day or a time as the API reads it."""
    return when if when is None or isinstance(when, str) else when.isoformat()
