"""Names of sources of bars: a provider, or Kaboom's roll-up of a provider's minutes."""

_FROM_MINUTES = "_from_1m"


def derived_source(provider: str) -> str:
    """Return the source of bars that were rolled up from a provider's minutes."""
    return f"{provider}{_FROM_MINUTES}"


def is_derived(source: str) -> bool:
    """Return whether a source has rolled-up bars."""
    return source.endswith(_FROM_MINUTES)


def provider_of(source: str) -> str:
    """Return the provider of a source, whose bars may be rolled up."""
    return source.removesuffix(_FROM_MINUTES)
