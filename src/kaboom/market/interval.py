"""Bar lengths: the five that Kaboom stores."""

from enum import StrEnum

from kaboom.errors import InvalidRequest


class Interval(StrEnum):
    """The length of a bar."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    D1 = "1d"

    @property
    def seconds(self) -> int:
        """Length in seconds; a day has 86,400, although a session is shorter."""
        return _SECONDS[self]

    @property
    def is_intraday(self) -> bool:
        """Whether several bars of this length fit in one session."""
        return self is not Interval.D1


_SECONDS = {Interval.M1: 60, Interval.M5: 300, Interval.M15: 900, Interval.H1: 3600, Interval.D1: 86400}


def parse_interval(text: str) -> Interval:
    """Return the interval of a name such as `"1m"`.

    Raises:
        InvalidRequest: the name is not one of the five.

    """
    try:
        return Interval(text)
    except ValueError as e:
        supported = ", ".join(Interval)
        raise InvalidRequest(f"interval was {text[:20]!r}, supported are {supported}", pointer="/intervals") from e
