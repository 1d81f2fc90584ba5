"""Fields of requests that name a provider, or a source of stored bars; importable without polars."""

from typing import Annotated

from pydantic import AfterValidator, Field

from batch.errors import InvalidRequest
from batch.market.fields import one_of
from batch.market.source import derived_source
from batch.providers.registry import check_has_master, get_provider_spec, get_source_spec, master_names, provider_names

_NAME = Field(min_length=1, max_length=40)

ProviderName = Annotated[
    str, _NAME, AfterValidator(lambda name: get_provider_spec(name).name), one_of(provider_names())
]
#: A provider that has a symbol master.
MasterProvider = Annotated[str, _NAME, AfterValidator(lambda name: check_has_master(name).name), one_of(master_names())]
#: A provider, or the bars that were rolled up from its minutes.
SourceName = Annotated[
    str,
    _NAME,
    AfterValidator(lambda name: get_source_spec(name).name),
    one_of((*provider_names(), *map(derived_source, provider_names()))),
]


def need_provider(name: str | None) -> str:
    """Return the provider of a request that was checked.

    Raises:
        InvalidRequest: it names none; a check fills in the configured one.

    """
    if name is None:
        raise InvalidRequest("provider was not set, expected the name of one", pointer="/provider")
    return name
