"""What a caller may ask of a refresh of the list of what is listed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from batch.errors import InvalidRequest
from batch.market.bounds import parse_day
from batch.market.master import MOST_LOST_PERCENT


@dataclass(frozen=True, slots=True)
class MasterRequest:
    """Whose list to take.

    Attributes:
        provider: whose.
        session: as of which session; None for today's, or the one before where today is none.
        most_lost_percent: refuse a list that lacks more of the issues of the one before.

    """

    provider: str
    session: date | None = None
    most_lost_percent: float = MOST_LOST_PERCENT

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON types, without what was not asked."""
        values: dict[str, Any] = {"provider": self.provider, "most_lost_percent": self.most_lost_percent}
        return values | ({"session": self.session.isoformat()} if self.session else {})


def parse_master_request(values: Mapping[str, Any], *, provider: str) -> MasterRequest:
    """Return the request that JSON types say; `provider` is whose list is meant by none.

    Raises:
        InvalidRequest: something in it cannot be; `pointer` says what.

    """
    most = values.get("most_lost_percent", MOST_LOST_PERCENT)
    if not isinstance(most, (int, float)) or not 0 <= most <= 100:
        raise InvalidRequest(
            f"most_lost_percent was {most!r}, expected a number from 0 to 100", pointer="/most_lost_percent"
        )
    return MasterRequest(values.get("provider") or provider, parse_day(values.get("session"), "session"), float(most))
