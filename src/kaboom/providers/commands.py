"""The command that takes bars of a source, as messages about missing bars show it."""

from collections.abc import Sequence

from kaboom.market.interval import Interval
from kaboom.market.source import is_derived, provider_of
from kaboom.providers.registry import get_provider_spec

#: The most symbols that a command names.
MOST_NAMED = 5


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
