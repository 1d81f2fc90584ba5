"""Yahoo's chart data, asked for directly; for personal use, and off until the user says otherwise."""

from batch.providers.yahoo.get import YahooSource
from batch.providers.yahoo.provider import YahooProvider

__all__ = ["YahooProvider", "YahooSource"]
