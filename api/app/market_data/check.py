"""What the API can check of a request before a worker sees it."""

from batch.kit.clock import utc_now
from batch.market.bounds import resolve_last_session
from batch.market.listing import Market
from batch.market_data.roll_up_request import RollUpRequest
from batch.providers.registry import get_provider_spec


def check_roll_up(request: RollUpRequest) -> None:
    """Refuse here, before anything is queued, what a worker would refuse.

    Raises:
        InvalidRequest: the session is not one that has opened.

    """
    is_tse = Market.FILE not in get_provider_spec(request.provider).capabilities.markets
    resolve_last_session(request.session, utc_now(), is_tse=is_tse, delay_s=0)
