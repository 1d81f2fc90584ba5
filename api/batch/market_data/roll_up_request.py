"""What a caller may ask of a roll-up; importable without polars, since the API checks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from batch.errors import InvalidRequest
from batch.market.bounds import parse_day, parse_lookbacks, parse_symbols
from batch.market.interval import Interval
from batch.providers.registry import get_provider_spec

#: All that minutes can be rolled up to.
LONGER = tuple(interval for interval in Interval if interval is not Interval.M1)


@dataclass(frozen=True, slots=True)
class RollUpRequest:
    """Which bars to make of minutes.

    Attributes:
        provider: whose minutes.
        intervals: bar length → look-back in trading sessions, the last one included.
        symbols: only these, where not empty; else all that have minutes.
        session: the last session; None for the newest one that has closed.

    """

    provider: str
    intervals: Mapping[Interval, int]
    symbols: tuple[str, ...] = ()
    session: date | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON types, without what was not asked."""
        values: dict[str, Any] = {
            "provider": self.provider,
            "intervals": {interval.value: count for interval, count in self.intervals.items()},
        }
        optional = {
            "symbols": list(self.symbols),
            "session": self.session.isoformat() if self.session else None,
        }
        return values | {name: value for name, value in optional.items() if value}


def parse_roll_up(values: Mapping[str, Any], *, provider: str) -> RollUpRequest:
    """Return the request that JSON types say, checked against every bound; `provider` is whose bars are meant by none.

    Raises:
        InvalidRequest: something in it cannot be; `pointer` says what.

    """
    spec = get_provider_spec(values.get("provider") or provider)
    intervals = parse_lookbacks(values.get("intervals") or dict.fromkeys(LONGER, 1))
    if Interval.M1 in intervals:
        longer = ", ".join(LONGER)
        raise InvalidRequest(
            f"intervals had 1m, from which bars are rolled up; expected some of {longer}", pointer="/intervals/1m"
        )
    return RollUpRequest(
        provider=spec.name,
        intervals=intervals,
        symbols=parse_symbols(values.get("symbols") or (), spec.parse_symbol),
        session=parse_day(values.get("session"), "session"),
    )
