"""Fields of requests that name a provider, or a source of stored bars; importable without polars."""

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from kaboom.errors import InvalidRequest
from kaboom.market.fields import SymbolTexts, one_of, parse_symbols
from kaboom.market.source import derived_source
from kaboom.providers.registry import check_has_master, get_provider_spec, get_source_spec, master_names, provider_names
from kaboom.providers.spec import ProviderSpec

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


def _parse_symbols(texts: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    provider = info.data.get("provider")
    return parse_symbols(texts, get_source_spec(provider).parse_symbol) if provider else texts


#: Some symbols of the source in the field `provider`, which stands before them; parsed once it is filled in.
SourceSymbols = Annotated[SymbolTexts, AfterValidator(_parse_symbols)]


def need_provider(name: str | None) -> str:
    """Return the provider of a request that was checked.

    Raises:
        InvalidRequest: the request names no provider; a check fills in the configured one.

    """
    if name is None:
        raise InvalidRequest("provider was not set, expected the name of one", pointer="/provider")
    return name


class OfSource:
    """A request for bars of one source, which its field `provider` names."""

    if TYPE_CHECKING:
        # Not an annotation of the class: pydantic would take it for a field of its own.
        provider: str | None

    @property
    def source(self) -> str:
        """The source of the bars, which is known after the request was checked."""
        return need_provider(self.provider)

    @property
    def spec(self) -> ProviderSpec:
        """The description of the provider of the bars."""
        return get_source_spec(self.source)

    @property
    def is_tse(self) -> bool:
        """Whether the bars have the Tokyo Stock Exchange's calendar."""
        return self.spec.is_tse
