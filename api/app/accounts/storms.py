"""Report repeated failed logins, at most once an hour for each network."""

from collections import OrderedDict

import structlog

from app.ledger.notifications.model import Event, EventKind
from app.ledger.notifications.port import NotificationLog
from batch.errors import StoreError
from batch.kit.clock import Clock, utc_now

#: This many reported storms are cached; the ledger stores each only once anyway.
_MOST = 1000

_log = structlog.get_logger(__name__)


class LoginStorms:
    """Saves an event for each storm of failed logins."""

    def __init__(self, log: NotificationLog, clock: Clock = utc_now) -> None:
        self._log = log
        self._clock = clock
        self._told: OrderedDict[str, None] = OrderedDict()

    async def tell(self, network: str) -> None:
        """Save an event of repeated failures in a network; if the ledger is unavailable, the next call retries."""
        now = self._clock()
        event_id = f"login_storm:{network}:{now:%Y-%m-%dT%H}"
        if event_id in self._told:
            return
        try:
            await self._log.note([Event(event_id, EventKind.LOGIN_STORM, now, data={"who": network})])
        except StoreError as e:
            _log.warning("storm_not_kept", reason=e.message)
            return
        self._told[event_id] = None
        if len(self._told) > _MOST:
            self._told.popitem(last=False)
