"""The providers that exist, each with a `spec.py` in its folder, and the fields that name one; loads no polars."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from kaboom.errors import InvalidRequest
from kaboom.market.fields import SymbolTexts, one_of, parse_symbols
from kaboom.market.interval import Interval
from kaboom.market.source import derived_source, is_derived, provider_of
from kaboom.providers.spec import ProviderSpec

#: One line for each provider: its folder, whose `spec.py` has its `SPEC`. The default comes first.
_FOLDERS = (
    "synthetic",
    "file",
    "jquants",
    "yahoo",
)
#: The most symbols that a command names.
MOST_NAMED = 5


def _load(folder: str) -> ProviderSpec:
    spec: ProviderSpec = import_module(f"kaboom.providers.{folder}.spec").SPEC
    return spec


_SPECS: Mapping[str, ProviderSpec] = MappingProxyType({spec.name: spec for spec in map(_load, _FOLDERS)})


def provider_specs() -> tuple[ProviderSpec, ...]:
    """Return all providers, the default first."""
    return tuple(_SPECS.values())


def provider_names() -> tuple[str, ...]:
    """Return the names of all providers, the default first."""
    return tuple(_SPECS)


def master_names() -> tuple[str, ...]:
    """Return the names of the providers that have a list of issues."""
    return tuple(name for name, spec in _SPECS.items() if spec.has_master)


def get_provider_spec(name: str) -> ProviderSpec:
    """Return the description of a provider.

    Raises:
        InvalidRequest: no provider has this name.

    """
    try:
        return _SPECS[name]
    except KeyError as e:
        allowed = ", ".join(_SPECS)
        raise InvalidRequest(f"provider was {name[:20]!r}, supported are {allowed}", pointer="/provider") from e


def get_source_spec(source: str) -> ProviderSpec:
    """Return the description of the provider of a namespace: its own bars, or those rolled up from its minutes.

    Raises:
        InvalidRequest: there is no such provider.

    """
    return replace(get_provider_spec(provider_of(source)), name=source)


def check_has_master(name: str) -> ProviderSpec:
    """Return the description of a provider that has a list of issues.

    Raises:
        InvalidRequest: no provider has this name, or it has no such list; the message names those that have one.

    """
    spec = get_provider_spec(name)
    if not spec.has_master:
        having = ", ".join(master_names())
        raise InvalidRequest(
            f"provider was {name}, which has no symbol master, supported are {having};"
            " `kaboom symbols import` takes JPX's own list",
            pointer="/provider",
        )
    return spec


def disclosure_names() -> tuple[str, ...]:
    """Return the names of the providers that have statements and events."""
    return tuple(name for name, spec in _SPECS.items() if spec.has_disclosures)


def check_has_disclosures(name: str) -> ProviderSpec:
    """Return the description of a provider that has statements and events.

    Raises:
        InvalidRequest: no provider has this name, or it has none; the message names those that have some.

    """
    spec = get_provider_spec(name)
    if not spec.has_disclosures:
        having = ", ".join(disclosure_names())
        raise InvalidRequest(
            f"provider was {name}, which has no statements, supported are {having}", pointer="/provider"
        )
    return spec


def ingest_command(source: str, interval: Interval, sessions: int, symbols: Sequence[str]) -> str:
    """Return a command that takes bars of the first symbols; those of a roll-up come from minutes.

    Own files give all that they have: they may end long ago.
    """
    provider = provider_of(source)
    taken = f"--interval {Interval.M1 if is_derived(source) else interval}={sessions}"
    if not get_provider_spec(provider).is_tse:
        taken = "--all"
    chosen = "".join(f" --symbol {symbol}" for symbol in symbols[:MOST_NAMED])
    return f"kaboom ingest run-daily --wait --provider {provider} {taken}{chosen}"


_NAME = Field(min_length=1, max_length=40)

ProviderName = Annotated[
    str, _NAME, AfterValidator(lambda name: get_provider_spec(name).name), one_of(provider_names())
]
#: A provider that has a symbol master.
MasterProvider = Annotated[str, _NAME, AfterValidator(lambda name: check_has_master(name).name), one_of(master_names())]
#: A provider that has statements and events.
DisclosureSource = Annotated[
    str, _NAME, AfterValidator(lambda name: check_has_disclosures(name).name), one_of(disclosure_names())
]
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
