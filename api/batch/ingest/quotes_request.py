"""What a caller may ask of a refresh of quotes; importable without polars, since the API checks it."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from batch.errors import InvalidRequest
from batch.ingest.request import IngestRequest, parse_request
from batch.market.calendar import JST, is_session, latest_closed_session, opens_at, previous_session
from batch.market.interval import Interval
from batch.providers.base import Capabilities


def parse_quotes(values: Mapping[str, Any], *, provider: str) -> IngestRequest:
    """Return an ingest of one session of one interval; `provider` is who is asked where the values name none.

    Raises:
        InvalidRequest: something in it cannot be; `pointer` says what.

    """
    interval = values.get("interval", Interval.M1.value)
    try:
        return parse_request({**values, "intervals": {interval: 1}, "provider": values.get("provider") or provider})
    except InvalidRequest as e:
        pointer = "/interval" if e.pointer.startswith("/intervals") else e.pointer
        raise InvalidRequest(e.message, pointer=pointer) from e


def newest_session(interval: Interval, capabilities: Capabilities, now: datetime) -> date:
    """Return the newest session of which a provider can have a bar at `now` (aware).

    The one that lasts, where its bars come live and the first of them may be there, whole; else the newest that is
    over, with the provider's delay. A daily bar is never there before its session is over.
    """
    delay = capabilities.delay
    if not capabilities.is_live or not interval.is_intraday:
        return latest_closed_session(now, delay_s=delay.total_seconds())
    today = now.astimezone(JST).date()
    first = timedelta(seconds=interval.seconds) + delay
    return today if is_session(today) and opens_at(today) + first <= now else previous_session(today)
