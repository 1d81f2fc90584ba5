"""The command that takes bars of a source, as messages about missing bars show it."""

from collections.abc import Sequence

from batch.market.interval import Interval
from batch.market.source import is_derived, provider_of

#: The most symbols that a command names.
MOST_NAMED = 5


def ingest_command(source: str, interval: Interval, sessions: int, symbols: Sequence[str]) -> str:
    """Return a command that takes bars of the first symbols; those of a roll-up come from minutes."""
    taken = Interval.M1 if is_derived(source) else interval
    chosen = "".join(f" --symbol {symbol}" for symbol in symbols[:MOST_NAMED])
    return f"kaboom ingest run-daily --provider {provider_of(source)} --interval {taken}={sessions}{chosen}"
