"""What a caller may ask of a backfill; importable without polars, since the API checks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from batch.errors import InvalidRequest
from batch.ingest.request import IngestRequest, parse_request
from batch.market.bounds import parse_day


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """Which bars to look for, and to take where they are wanting.

    Attributes:
        scope: what should be there, as a daily ingest would ask for it.
        first: no session before this one, whatever the look-back.
        include_short: also what is only suspect: far fewer bars than the symbol's median, or no closing auction.

    """

    scope: IngestRequest
    first: date | None = None
    include_short: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON types, without what was not asked."""
        optional: dict[str, Any] = {
            "first": self.first.isoformat() if self.first else None,
            "include_short": self.include_short,
        }
        return self.scope.to_json() | {name: value for name, value in optional.items() if value}


def parse_backfill(values: Mapping[str, Any]) -> BackfillRequest:
    """Return the request that JSON types say, checked against every bound.

    Raises:
        InvalidRequest: something in it cannot be; `pointer` says what.

    """
    request = BackfillRequest(
        parse_request(values), parse_day(values.get("first"), "first"), bool(values.get("include_short"))
    )
    last = request.scope.session
    if request.first and last and request.first > last:
        raise InvalidRequest(f"first was {request.first} and last {last}, expected them in order", pointer="/first")
    return request
