"""J-Quants, the API of the Tokyo exchange's own group, version 2; for the personal use of whoever has a key."""

from batch.providers.jquants.bulk import JquantsBulk
from batch.providers.jquants.get import JquantsSource
from batch.providers.jquants.provider import JquantsProvider
from batch.providers.jquants.shelf import JquantsShelf

__all__ = ["JquantsBulk", "JquantsProvider", "JquantsShelf", "JquantsSource"]
