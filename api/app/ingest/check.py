"""What the API can check of a request before a worker sees it."""

from batch.ingest.check import check_capabilities, resolve_session
from batch.ingest.request import IngestRequest
from batch.kit.clock import utc_now
from batch.providers.registry import get_provider_spec


def check_request(request: IngestRequest, *, provider: str, delay_s: float) -> None:
    """Refuse here, before anything is queued, what the worker would refuse.

    Raises:
        InvalidRequest: the provider cannot serve the request, or its session is not one that has opened.

    """
    spec = get_provider_spec(request.provider or provider)
    check_capabilities(request, spec.name, spec.capabilities)
    resolve_session(request, utc_now(), delay_s=delay_s)
