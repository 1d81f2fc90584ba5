"""Names of where bars come from: a provider, or our own roll-up of a provider's minutes."""

_FROM_MINUTES = "_from_1m"


def derived_source(provider: str) -> str:
    """Return the namespace of bars that were rolled up from a provider's minutes, apart from its own."""
    return f"{provider}{_FROM_MINUTES}"


def is_derived(source: str) -> bool:
    """Return whether a namespace holds rolled-up bars."""
    return source.endswith(_FROM_MINUTES)


def provider_of(source: str) -> str:
    """Return the provider whose bars a namespace holds, as given or rolled up."""
    return source.removesuffix(_FROM_MINUTES)
