"""The providers that exist. Each describes itself in the `spec.py` of its folder; numpy and polars are not loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from types import MappingProxyType

from kaboom.errors import InvalidRequest
from kaboom.market.interval import Interval
from kaboom.market.source import is_derived, provider_of
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


def ingest_command(source: str, interval: Interval, sessions: int, symbols: Sequence[str]) -> str:
    """Return a command that takes bars of the first symbols; those of a roll-up come from minutes.

    Own files give all that they have: they may end long ago.
    """
    provider = provider_of(source)
    taken = f"--interval {Interval.M1 if is_derived(source) else interval}={sessions}"
    if not get_provider_spec(provider).is_tse:
        taken = "--all"
    chosen = "".join(f" --symbol {symbol}" for symbol in symbols[:MOST_NAMED])
    return f"kaboom ingest run-daily --provider {provider} {taken}{chosen}"
