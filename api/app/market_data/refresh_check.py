"""What the API can check of a request to refresh, or to compute indicators, before a worker sees it."""

from app.engine.lifecycle import Jobs
from batch.errors import InvalidRequest
from batch.indicators.request import IndicatorRequest
from batch.ingest.check import check_capabilities
from batch.ingest.request import IngestRequest
from batch.kit.clock import utc_now
from batch.market.bounds import resolve_last_session
from batch.market.master_request import MasterRequest
from batch.providers.registry import check_has_master, get_provider_spec


def check_quotes(request: IngestRequest, jobs: Jobs) -> None:
    """Refuse here, before anything is queued, what a worker with the settings of `jobs` would refuse.

    Raises:
        InvalidRequest: the provider lacks a setting, or does not serve the market or the interval.

    """
    spec = get_provider_spec(request.provider or jobs.parts.settings.provider)
    _check_setting(spec.name, jobs)
    try:
        check_capabilities(request, spec.name, spec.capabilities)
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer="/interval" if e.pointer == "/intervals" else e.pointer) from e


def check_symbols(request: MasterRequest, jobs: Jobs) -> None:
    """Refuse a provider that has no symbol master, or lacks a setting.

    Raises:
        InvalidRequest: it says which providers have one, or which setting is missing.

    """
    _check_setting(check_has_master(request.provider).name, jobs)
    resolve_last_session(request.session, utc_now(), is_tse=True, delay_s=0)


def check_indicators(request: IndicatorRequest) -> None:
    """Refuse a last session that is none.

    Raises:
        InvalidRequest: the session is not one that has opened.

    """
    resolve_last_session(request.session, utc_now(), is_tse=request.is_tse, delay_s=0)


def _check_setting(provider: str, jobs: Jobs) -> None:
    if lacking := jobs.parts.settings.lacking_for(provider):
        raise InvalidRequest(lacking, pointer="/provider")
